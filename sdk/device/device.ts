/**
 * A device computes on tensors; a scope is a device that remembers what was made through it and frees it.
 *
 * @module
 */
import type { Backend, DeviceKind } from "./backend.ts";
import type { DType, Op } from "./ops.ts";
import type { Tensor, Weight } from "./tensor.ts";

/** What was tried on the way to a device, in order. */
export interface DeviceAttempt {
  /** What was tried. */
  readonly kind: DeviceKind;
  /** Whether it works. */
  readonly ok: boolean;
  /** Why it was refused or taken, as a sentence. */
  readonly reason: string;
  /** How long the attempt took, in milliseconds. */
  readonly ms: number;
}

/** What a device is and how much memory it holds; a fresh snapshot at every access. */
export interface DeviceReport {
  /** The name of what computes. */
  readonly adapter: string;
  /** Features of the runtime that were found. */
  readonly features: readonly string[];
  /** Kernel variants in use. */
  readonly variants: readonly string[];
  /** What was tried on the way here, in order. */
  readonly tried: readonly DeviceAttempt[];
  /** Bytes of all live tensors and weights. */
  readonly bytes: number;
  /** Largest value that `bytes` had. */
  readonly peakBytes: number;
  /** Number of live tensors and weights. */
  readonly tensors: number;
}

/** Host data that a tensor can be made of; `Uint16Array` holds float16 bits. */
export type TensorData = Float32Array | Uint16Array | Int32Array | Int8Array | Uint8Array;

/** Computes on tensors. Operations are free functions that take a device first: `linear(device, x, w)`. */
export interface Device extends Disposable {
  /** The kind of what computes. */
  readonly kind: DeviceKind;
  /** The device below all scopes; a root device names itself. */
  readonly root: Device;
  /** What it is and holds now. */
  readonly report: DeviceReport;
  /** A tensor with the given contents, row-major; the element type follows from the array. */
  tensor(data: TensorData, shape: readonly number[]): Tensor;
  /** A tensor with undefined contents. */
  empty(shape: readonly number[], dtype?: DType): Tensor;
  /** A matrix [n, k] prepared for {@linkcode linear}; `Int8Array` needs `scales` [n] (one per output). */
  weight(
    data: Float32Array | Uint16Array | Int8Array,
    shape: readonly [number, number],
    scales?: Float32Array,
  ): Weight;
  /** Another tensor over the same memory with another shape of the same size; the memory is freed with the last of them. */
  view(tensor: Tensor, shape: readonly number[]): Tensor;
  /** Queues an operation whose record is already checked; only the functions in `ops/` call it. */
  submit(op: Op): void;
  /** Waits until more work may be queued; throws the signal's reason if it is aborted. Long computations call it between layers. */
  flush(signal?: AbortSignal): Promise<void>;
  /** A device whose tensors are freed together. */
  scope(): Scope;
  /** Frees every tensor, and for a root device all memory and workers. Twice is allowed. */
  dispose(): void;
}

/** A device whose tensors are freed together by `dispose`, except those kept. */
export interface Scope extends Device {
  /** Hands a tensor of this scope to the parent, so that it outlives the scope. */
  keep<T extends Tensor | Weight>(tensor: T): T;
}

export type { Backend };
