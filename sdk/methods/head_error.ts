/**
 * How far the output of every head is from another.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { binary, mul } from "../device/ops/binary.ts";
import { reduce } from "../device/ops/reduce.ts";
import { scoped } from "../device/scoped.ts";
import type { Tensor } from "../device/tensor.ts";

/**
 * Mean squares of the outputs of heads, or of their differences.
 *
 * @param d Receives the result.
 * @param out [H, L, D].
 * @param other What is subtracted, of the same shape. @default nothing
 * @returns [H].
 */
export function headSquares(d: Device, out: Tensor, other?: Tensor): Tensor {
  return scoped(d, (s) => {
    const x = other ? binary(s, "sub", out, other) : out;
    return reduce(s, "mean", reduce(s, "mean", mul(s, x, x)));
  });
}
