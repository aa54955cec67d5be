/**
 * Handles of what a device holds.
 *
 * @module
 */
import type { Device } from "./device.ts";
import type { DType, WeightType } from "./ops.ts";

/** An array on a device, dense and row-major. `read` is the only way out. */
export interface Tensor {
  /** Number of the buffer inside its device. */
  readonly id: number;
  /** The root device that holds it. */
  readonly device: Device;
  /** Sizes of its axes; none for a single number. */
  readonly shape: readonly number[];
  /** Type of its elements. */
  readonly dtype: DType;
  /** Number of elements. */
  readonly size: number;
  /** Bytes of its memory. */
  readonly bytes: number;
  /** Whether it was given back, by hand, with its scope or with its device; one that was lost was not. */
  readonly disposed: boolean;
  /** A copy of float32 contents; other element types are read by name. */
  read(): Promise<Float32Array>;
  /** A copy of float32 contents. */
  read(as: "f32"): Promise<Float32Array>;
  /** A copy of float16 contents, as raw bits. */
  read(as: "f16"): Promise<Uint16Array>;
  /** A copy of 32-bit integers. */
  read(as: "i32"): Promise<Int32Array>;
  /** A copy of bytes. */
  read(as: "u8"): Promise<Uint8Array>;
  /** A copy of signed bytes. */
  read(as: "i8"): Promise<Int8Array>;
  /** Gives its memory back. Twice is allowed. */
  dispose(): void;
}

/** A matrix [n, k] in the device's own layout, made by `device.weight`, read by `linear`. */
export interface Weight {
  /** Number of the buffer inside its device. */
  readonly id: number;
  /** The root device that holds it. */
  readonly device: Device;
  /** Outputs n and inputs k. */
  readonly shape: readonly [number, number];
  /** Type of its elements. */
  readonly dtype: WeightType;
  /** Buffer of the scales [n, k / group] of an int8 or int4 weight, 0 without. */
  readonly scales: number;
  /** Consecutive inputs that share a scale; k for one scale per output, and without scales. */
  readonly group: number;
  /** Bytes of its memory, scales included. */
  readonly bytes: number;
  /** Whether it was given back, by hand, with its scope or with its device; one that was lost was not. */
  readonly disposed: boolean;
  /** Gives its memory back. Twice is allowed. */
  dispose(): void;
}
