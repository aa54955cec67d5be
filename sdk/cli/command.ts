/**
 * What the commands with a table have in common: help, values of options, wrong arguments, failures.
 *
 * @module
 */
import type { OpenDeviceOptions } from "../device/mod.ts";
import { DEVICES } from "./args.ts";

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

/** Reads an option that is a whole number. @throws RangeError if it is none, or less than `least`. */
export function wholeOption(name: string, text: string, least = 1): number {
  const value = Number(text);
  if (text !== "" && Number.isInteger(value) && value >= least) return value;
  throw new RangeError(`Cannot use --${name} ${text}: expected a whole number from ${least}`);
}

/** Reads an option that is one of some words. @throws RangeError if it is none of them. */
export function wordOption<Word extends string>(name: string, text: string, known: readonly Word[]): Word {
  const found = known.find((word) => word === text);
  if (found !== undefined) return found;
  throw new RangeError(`Cannot use --${name} ${text}: expected ${known.join(", ")}`);
}

/** Reads `--device` and `--threads`, for `openDevice`. @throws RangeError if there is no such kind, or the number is none. */
export function deviceOptions(
  { device, threads }: { readonly device?: string | undefined; readonly threads?: string | undefined },
): OpenDeviceOptions {
  return {
    ...(device !== undefined && { prefer: wordOption("device", device, DEVICES) }),
    ...(threads !== undefined && { threads: wholeOption("threads", threads) }),
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
