/**
 * Handles of what a device holds.
 *
 * @module
 */
import type { Device } from "./device.ts";
import type { DType } from "./ops.ts";

/** An array on a device, dense and row-major. `read` is the only way out. */
export interface Tensor {
  /** Number of the buffer inside its device. */
  readonly id: number;
  /** The root device that holds it. */
  readonly device: Device;
  readonly shape: readonly number[];
  readonly dtype: DType;
  /** Number of elements. */
  readonly size: number;
  readonly bytes: number;
  readonly disposed: boolean;
  /** A copy of the contents: `Float32Array` for f32, raw bits as `Uint16Array` for f16, and so on. */
  read(): Promise<Float32Array>;
  read(as: "f32"): Promise<Float32Array>;
  read(as: "f16"): Promise<Uint16Array>;
  read(as: "i32"): Promise<Int32Array>;
  read(as: "u8"): Promise<Uint8Array>;
  read(as: "i8"): Promise<Int8Array>;
  /** Gives its memory back. Twice is allowed. */
  dispose(): void;
}

/** A matrix [n, k] in the device's own layout, made by `device.weight`, read by `linear`. */
export interface Weight {
  readonly id: number;
  readonly device: Device;
  readonly shape: readonly [number, number];
  readonly dtype: DType;
  /** Buffer of the scales [n] of an int8 weight, 0 without. */
  readonly scales: number;
  readonly bytes: number;
  readonly disposed: boolean;
  dispose(): void;
}
