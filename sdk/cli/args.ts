import { parseArgs } from "node:util";

/** What the command line asked for. */
export interface PredictArgs {
  /** The table to learn from; none runs the bundled tables. */
  train?: string;
  /** The column to predict. */
  target?: string;
  /** A table whose rows are predicted. */
  test?: string;
  /** Where to write the predicted rows. */
  out?: string;
  /** Where to write the fitted context. */
  save?: string;
  /** Print one JSON object instead of a report. */
  json: boolean;
  /** Print the help and stop. */
  help: boolean;
  /** The device to compute on; none lets Filigree choose. */
  device?: "webgpu" | "wasm" | "reference";
  /** Threads to compute with; none lets Filigree choose. */
  threads?: number;
}

/** A command line that cannot be obeyed; the message says what to do. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The text that `--help` prints. */
export const HELP = `Predict a column of a table from its other columns.

  deno task predict                                   run on the bundled tables
  deno task predict TRAIN.csv --target COLUMN         hold out a quarter and report, or fill the rows that lack COLUMN
  deno task predict TRAIN.csv --target COLUMN --test TEST.csv
(with Bun: bun run predict ...)

  --target COLUMN    the column to predict
  --test TEST.csv    predict the rows of this table
  --out OUT.csv      write the predicted rows: their cells, the target filled where it is missing,
                     the prediction, and the probability of each class
  --save CONTEXT     write the fitted context, which OrionMSPClassifier.restore loads
  --json             print one JSON object: accuracy, logLoss, classes, predictions
  --device KIND      webgpu, wasm or reference (default: the fastest that works)
  --threads N        threads to compute with (default: as many as help)
  --help             this text

Exit codes: 0 done, 1 failed, 2 wrong arguments, 130 interrupted.
`;

/** Kinds of devices, as `--device` names them. */
export const DEVICES = ["webgpu", "wasm", "reference"] as const;

/**
 * Reads the command line of `predict`.
 *
 * @param argv The arguments, without the program's name.
 * @returns What they ask for.
 * @throws {UsageError} If they make no sense.
 */
export function readArgs(argv: readonly string[]): PredictArgs {
  const { values, positionals } = parseOptions(argv, OPTIONS);
  const { target, test, out, save, json = false, help = false } = values;
  if (help) return { json, help };
  if (positionals.length > 1) {
    throw new UsageError(
      `Expected one table to learn from but got ${positionals.length}; quote names with spaces`,
    );
  }
  const train = positionals[0];
  if (train === undefined) {
    for (const [name, value] of Object.entries({ target, test, out, save })) {
      if (value !== undefined) {
        throw new UsageError(`--${name} needs a table: predict TRAIN.csv --target COLUMN`);
      }
    }
  } else if (target === undefined) {
    throw new UsageError("Name the column to predict: --target COLUMN");
  }
  const args: PredictArgs = { json, help };
  for (const [name, value] of Object.entries({ train, target, test, out, save })) {
    if (value === "") {
      throw new UsageError(`${name === "train" ? "The table" : `--${name}`} must not be empty`);
    }
  }
  if (train !== undefined) args.train = train;
  if (target !== undefined) args.target = target;
  if (test !== undefined) args.test = test;
  if (out !== undefined) args.out = out;
  if (save !== undefined) args.save = save;
  if (values.device !== undefined) args.device = deviceOption(values.device);
  if (values.threads !== undefined) args.threads = threadsOption(values.threads);
  return args;
}

/** Options that {@linkcode parseOptions} can read. */
type OptionTypes = Readonly<Record<string, { readonly type: "string" | "boolean"; readonly short?: string }>>;

/** The values of given options. */
type OptionValues<T extends OptionTypes> = {
  [Name in keyof T]?: T[Name]["type"] extends "boolean" ? boolean : string;
};

/**
 * Reads a command line of options that may be given once, and of other arguments.
 *
 * @param argv The arguments, without the program's name.
 * @param options The options by name.
 * @returns The values of those that were given, and the other arguments.
 * @throws {UsageError} If an option is unknown, lacks its value or is given twice.
 */
export function parseOptions<T extends OptionTypes>(
  argv: readonly string[],
  options: T,
): { values: OptionValues<T>; positionals: string[] } {
  const { values, positionals, tokens } = (() => {
    try {
      return parseArgs({ args: [...argv], options, allowPositionals: true, tokens: true });
    } catch (cause) {
      const message = cause instanceof Error ? cause.message.split(/[.\n]/)[0] : String(cause);
      throw new UsageError(`${message}; see --help`, { cause });
    }
  })();
  const seen = new Set<string>();
  for (const token of tokens) {
    if (token.kind !== "option") continue;
    if (seen.has(token.name)) throw new UsageError(`--${token.name} is given twice`);
    seen.add(token.name);
  }
  return { values: values as OptionValues<T>, positionals };
}

const OPTIONS = {
  target: { type: "string" },
  test: { type: "string" },
  out: { type: "string" },
  save: { type: "string" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
  device: { type: "string" },
  threads: { type: "string" },
} as const;

/**
 * Reads `--device`.
 *
 * @param text Its value.
 * @returns The kind of device.
 * @throws {UsageError} If there is no such kind.
 */
export function deviceOption(text: string): (typeof DEVICES)[number] {
  const kind = DEVICES.find((name) => name === text);
  if (kind === undefined) throw new UsageError(`--device must be webgpu, wasm or reference but is "${text}"`);
  return kind;
}

/**
 * Reads `--threads`.
 *
 * @param text Its value.
 * @returns The number of threads.
 * @throws {UsageError} If it is none.
 */
export function threadsOption(text: string): number {
  const count = Number(text);
  if (!(Number.isInteger(count) && count >= 1 && count <= 256)) {
    throw new UsageError(`--threads must be a whole number from 1 to 256 but is "${text}"`);
  }
  return count;
}
