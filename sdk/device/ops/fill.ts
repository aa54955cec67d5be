/**
 * Constant tensors.
 *
 * @module
 */
import type { Device } from "../device.ts";
import type { Tensor } from "../tensor.ts";
import { use } from "./_check.ts";

/**
 * Sets every element of a tensor to one value, in place.
 *
 * @param d The device of `x`.
 * @param x Any shape; changed.
 * @param value Any number, infinities included.
 * @returns `x`.
 */
export function fill(d: Device, x: Tensor, value: number): Tensor {
  const id = use(d, "fill", "x", x);
  if (x.size > 0) d.submit({ op: "fill", out: id, n: x.size, value });
  return x;
}

/**
 * Makes a tensor with one value everywhere.
 *
 * @param d Receives the result.
 * @param shape Its shape.
 * @param value Any number, infinities included.
 * @returns A float32 tensor.
 */
export function full(d: Device, shape: readonly number[], value: number): Tensor {
  return fill(d, d.empty(shape), value);
}
