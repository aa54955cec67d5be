/**
 * A device computes on tensors; a scope is a device that remembers what was made through it and frees it.
 *
 * @module
 */
import type { Backend, DeviceKind, MeasuredSpeed } from "./backend.ts";
import type { DType, Op } from "./ops.ts";
import type { Tensor, Weight } from "./tensor.ts";

/** What was tried on the way to a device, or lost there. */
export interface DeviceAttempt {
  /** What was tried. */
  readonly kind: DeviceKind;
  /** Whether it works. */
  readonly ok: boolean;
  /** Why it was refused, taken or lost, as a sentence. */
  readonly reason: string;
  /** How long the attempt took, or a device worked until it was lost, in milliseconds. */
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
  /** What was measured once at opening; absent where tensors lie in host memory. */
  readonly measured?: MeasuredSpeed;
  /** What was tried and lost on the way here, in order. */
  readonly tried: readonly DeviceAttempt[];
  /** Bytes of all live tensors and weights; those that were lost do not count. */
  readonly bytes: number;
  /** Largest value that `bytes` had. */
  readonly peakBytes: number;
  /** Number of live tensors and weights. */
  readonly tensors: number;
}

/** Host data that a tensor can be made of; `Uint16Array` holds float16 bits. */
export type TensorData = Float32Array | Uint16Array | Int32Array | Int8Array | Uint8Array;

/** Host data that a weight can be made of; `Uint16Array` holds float16 bits, `Uint8Array` two int4 numbers per byte. */
export type WeightData = Float32Array | Uint16Array | Int8Array | Uint8Array;

/** Computes on tensors. Operations are free functions that take a device first: `linear(device, x, w)`. */
export interface Device extends Disposable {
  /** The kind of what computes. */
  readonly kind: DeviceKind;
  /** The device below all scopes; a root device names itself. */
  readonly root: Device;
  /** Devices that were lost before the one that computes now: 0 at first. A scope has its root's. */
  readonly generation: number;
  /** What it is and holds now. */
  readonly report: DeviceReport;
  /** A tensor with the given contents, row-major; the element type follows from the array. */
  tensor(data: TensorData, shape: readonly number[]): Tensor;
  /** A tensor with undefined contents. */
  empty(shape: readonly number[], dtype?: DType): Tensor;
  /**
   * A matrix [n, k] prepared for {@linkcode linear}. `Int8Array` and `Uint8Array` (int4 [n * k / 2], low nibble first, value + 8) need `scales`:
   * [n, g] numbers, one for every k / g consecutive inputs of an output (g = 1: one per output).
   */
  weight(
    data: WeightData,
    shape: readonly [number, number],
    scales?: Float32Array,
  ): Weight;
  /** Another tensor over the same memory with another shape of the same size; the memory is freed with the last of them. */
  view(tensor: Tensor, shape: readonly number[]): Tensor;
  /** Queues an operation whose record is already checked; only the functions in `ops/` call it. */
  submit(op: Op): void;
  /** Waits until more work may be queued; throws the signal's reason if it is aborted. Long computations call it between layers. */
  flush(signal?: AbortSignal): Promise<void>;
  /**
   * Opens the next device in the place of one that was lost; if this one works, does nothing. Tensors, weights and scopes of before stay lost:
   * using one throws `DeviceLostError`, so make them again.
   *
   * @param signal Gives up waiting.
   * @throws DeviceLostError if nothing opens, or if the device was opened without recovery.
   */
  recover(signal?: AbortSignal): Promise<void>;
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
