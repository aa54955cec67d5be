/**
 * What the caller's thread and the thread that computes say to each other.
 *
 * @module
 */
import type { BackendReport, DeviceKind } from "../backend.ts";
import type { DeviceAttempt } from "../device.ts";
import { DeviceLostError, OutOfMemoryError, WeightsError } from "../errors.ts";
import type { Op } from "../ops.ts";
import type { RelayNews, RelayRequest } from "./relay.ts";

/** Reasons, as sentences, not to try kinds of devices. */
export type Avoided = Readonly<Partial<Record<DeviceKind, string>>>;

/** What can be opened in another thread. */
export interface RemoteOptions {
  readonly prefer?: DeviceKind | undefined;
  readonly threads?: number | undefined;
  readonly wasm?: WebAssembly.Module | undefined;
  /** Kinds that are not tried, each with the reason. */
  readonly avoid?: Avoided | undefined;
}

/**
 * One queued call of a backend; `resume` ends the silence after a failure that was reported.
 *
 * Data travels as bare buffers: Deno walks through every element of a typed array in a message, at 0.2 s per megabyte.
 */
export type Call =
  | {
    readonly call: "create";
    readonly id: number;
    readonly bytes: number;
    readonly data?: ArrayBuffer | undefined;
  }
  | { readonly call: "write"; readonly id: number; readonly byteOffset: number; readonly data: ArrayBuffer }
  | { readonly call: "run"; readonly op: Op }
  | { readonly call: "free"; readonly id: number }
  | {
    readonly call: "read";
    readonly id: number;
    readonly byteOffset: number;
    readonly bytes: number;
    readonly ticket: number;
  }
  | { readonly call: "resume" };

/** What the caller's thread says. */
export type Request =
  | { readonly kind: "open"; readonly options: RemoteOptions }
  | { readonly kind: "calls"; readonly calls: readonly Call[] }
  | { readonly kind: "dispose" }
  | RelayNews;

/** What the thread that computes says. */
export type Response =
  | {
    readonly kind: "opened";
    readonly device: DeviceKind;
    readonly report: BackendReport;
    readonly tried: readonly DeviceAttempt[];
    /** Rows of a packed weight come in multiples of this. */
    readonly panel: number;
  }
  | { readonly kind: "refused"; readonly error: PackedError; readonly tried: readonly DeviceAttempt[] }
  /** So many calls were done since the last time, in `ms`; the first failure among them, after which calls are skipped. */
  | { readonly kind: "progress"; readonly done: number; readonly ms: number; readonly failure?: PackedError }
  | { readonly kind: "data"; readonly ticket: number; readonly data: ArrayBuffer }
  /** A read that a failure before it made senseless. */
  | { readonly kind: "skipped"; readonly ticket: number }
  | RelayRequest;

/** An error as a message can carry it. */
export interface PackedError {
  readonly name: string;
  readonly message: string;
  readonly sizes?: { readonly requested: number; readonly held: number };
}

const PLAIN: Readonly<Record<string, new (message: string) => Error>> = {
  TypeError,
  RangeError,
  SyntaxError,
  DeviceLostError,
  WeightsError,
};

/** Makes an error ready for a message. */
export function packError(error: unknown): PackedError {
  if (!(error instanceof Error)) return { name: "Error", message: String(error) };
  const { name, message } = error;
  if (!(error instanceof OutOfMemoryError)) return { name, message };
  return { name, message, sizes: { requested: error.requested, held: error.held } };
}

/** Makes the error of a message again: the same class, message and fields. */
export function unpackError({ name, message, sizes }: PackedError): Error {
  if (name === "OutOfMemoryError" && sizes) return new OutOfMemoryError(message, sizes);
  const Class = Object.hasOwn(PLAIN, name) ? PLAIN[name]! : Error;
  return new Class(message);
}
