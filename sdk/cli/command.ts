/**
 * What the commands with a table have in common: help, wrong arguments, failures.
 *
 * @module
 */

/** A command. */
export interface Command<Options extends { readonly help: boolean }> {
  /** What `--help` prints, and what follows the complaint about wrong arguments. */
  readonly help: string;
  /** Reads the arguments; throws if they make no sense. */
  readonly read: (args: readonly string[]) => Options;
  /** Does the work; throws if it fails. */
  readonly run: (options: Options) => Promise<void>;
}

/** Runs a command. @returns The exit code: 0 done, 1 failed, 2 wrong arguments. */
export async function runCommand<Options extends { readonly help: boolean }>(
  args: readonly string[],
  { help, read, run }: Command<Options>,
): Promise<number> {
  let options: Options;
  try {
    options = read(args);
  } catch (error) {
    console.error(`${messageOf(error)}\n\n${help}`);
    return 2;
  }
  if (options.help) {
    console.log(help);
    return 0;
  }
  try {
    await run(options);
    return 0;
  } catch (error) {
    console.error(`error: ${messageOf(error)}`);
    return 1;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
