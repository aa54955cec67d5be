import type { Cell } from "../csv/mod.ts";
import type { BarStream, Progress } from "./progress_bar.ts";

/** A class of a table: the target's value. */
export type Label = string | number | boolean;

/** What `predict` needs of a classifier. */
export interface Predictor {
  /** The classes, in the order of the probabilities. */
  readonly classes: readonly Label[];
  /** Learns a table. */
  fit(x: Record<string, Cell[]>, y: Label[], options: CallOptions): Promise<unknown>;
  /** Gives every row's probabilities, in the order of `classes`. */
  predictProba(x: Record<string, Cell[]>, options: CallOptions): Promise<number[][]>;
  /** The fitted context. */
  save(): Uint8Array | Promise<Uint8Array>;
}

/** Options of calls that can take long. */
export interface CallOptions {
  /** Gets every step. */
  onProgress(progress: Progress): void;
  /** Stops the call. */
  signal: AbortSignal;
}

/** A classifier, the device that it runs on, and how to let both go. */
export interface Session {
  /** The classifier. */
  predictor: Predictor;
  /** The device in words, for the report. */
  device: string;
  /** Frees the device. */
  close(): void | Promise<void>;
}

/** Everything that `predict` touches outside of itself. */
export interface Dependencies {
  /** Loads a classifier on a device. */
  open(options: {
    device?: "webgpu" | "wasm" | "reference";
    threads?: number;
    signal: AbortSignal;
  }): Promise<Session>;
  /** Reads a file. */
  readFile(path: string | URL): Promise<Uint8Array>;
  /** Writes a file. */
  writeFile(path: string, data: string | Uint8Array): Promise<void>;
  /** Writes to standard output. */
  print(text: string): void;
  /** Writes to standard error. */
  printError(text: string): void;
  /** The terminal to draw progress on; none where the output goes to a pipe or a file. */
  terminal?: BarStream | undefined;
  /** Stops the command. */
  signal: AbortSignal;
}
