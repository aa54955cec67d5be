/**
 * What stands below a {@linkcode Device}: something that holds buffers by number and runs operations on them.
 *
 * A backend knows no shapes, no scopes and no models, and checks nothing: the functions in `ops/` have already done so.
 * Calls are queued in order; only `read` and `flush` wait.
 *
 * @module
 */
import type { DeviceLostError } from "./errors.ts";
import type { Op, WeightType } from "./ops.ts";

/** Kinds of device that the library can open. */
export type DeviceKind = "webgpu" | "wasm" | "reference";

/** What one backend says of itself. */
export interface BackendReport {
  /** The name of what computes, for example `"wasm simd128+relaxed, 2 threads"`. */
  readonly adapter: string;
  /** Features of the runtime that were found, for example `"simd128"`, `"relaxed-simd"`, `"threads"`. */
  readonly features: readonly string[];
  /** Kernel variants in use. */
  readonly variants: readonly string[];
  /** What was measured once at opening; absent where tensors lie in host memory. */
  readonly measured?: MeasuredSpeed;
}

/** How far away the memory of a device is. */
export interface MeasuredSpeed {
  /** What a submit and the readback of a few bytes cost, in milliseconds. */
  readonly readbackMs: number;
  /** How fast bytes are copied on the device. */
  readonly bytesPerSecond: number;
}

/** Holds buffers by number and runs operations on them. */
export interface Backend {
  /** The kind of what computes. */
  readonly kind: DeviceKind;
  /** What it says of itself. */
  readonly report: BackendReport;
  /** Why it stopped working, if it has: from then on it only takes `free` and `dispose`. */
  readonly lost: DeviceLostError | undefined;
  /** Bytes that a packed weight [n, k] takes in this backend's own layout. */
  weightBytes(n: number, k: number, dtype: WeightType): number;
  /** Makes buffer `id` of `bytes` bytes (contents undefined without data) or throws `OutOfMemoryError`. */
  create(id: number, bytes: number, data?: ArrayBufferView): void;
  /** Overwrites bytes of a buffer. */
  write(id: number, byteOffset: number, data: ArrayBufferView): void;
  /** Runs one operation. */
  run(op: Op): void;
  /** A copy of bytes of a buffer, after all operations before it. */
  read(id: number, byteOffset: number, bytes: number): Promise<ArrayBuffer>;
  /** Gives a buffer back. */
  free(id: number): void;
  /** Resolves when the caller may queue more; lets the event loop breathe where operations run on the caller's thread. */
  flush(): Promise<void>;
  /** Gives everything back, also after a loss: buffers, workers, memory. */
  dispose(): void;
}

/**
 * Opens the backend that follows a lost one.
 *
 * @param lost The kinds that were lost so far, in order; the last of them just now.
 * @param signal Aborted when the device is disposed meanwhile.
 */
export type Reopen = (lost: readonly DeviceKind[], signal: AbortSignal) => Promise<Backend>;
