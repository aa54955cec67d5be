/**
 * The loss that teaches a Sparsifiner predictor: how far its guess is from the attention map.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { binary, mul } from "../device/ops/binary.ts";
import { full } from "../device/ops/fill.ts";
import { reduce } from "../device/ops/reduce.ts";
import { reshape } from "../device/ops/reshape.ts";
import { slice } from "../device/ops/slice.ts";
import { scoped } from "../device/scoped.ts";
import type { Tensor } from "../device/tensor.ts";

/**
 * `weight` (official: 0.01) times the sum of all squared differences, over heads and tokens, as the official code takes it; the row of the CLS token does
 * not count. With several layers the official loss is the mean over them, with several images the sum.
 *
 * `approx` is [heads, N - 1, N], `teacher` [heads, N, N]: the softmax of the dense attention's scores, which is constant.
 */
export const sparsifinerLoss: {
  /** The loss, [1]. */
  forward(d: Device, approx: Tensor, teacher: Tensor, weight?: number): Tensor;
  /** Its gradient with respect to `approx`, [heads, N - 1, N]. */
  backward(d: Device, approx: Tensor, teacher: Tensor, weight?: number): Tensor;
} = {
  forward(d, approx, teacher, weight = 0.01) {
    return scoped(d, (s) => {
      const distance = binary(s, "sub", approx, slice(s, teacher, 1, 1));
      const rows = reduce(s, "sum", mul(s, distance, distance));
      const sum = reduce(s, "sum", reshape(s, rows, [1, rows.size]));
      return mul(s, sum, full(s, [1], weight));
    });
  },

  backward(d, approx, teacher, weight = 0.01) {
    return scoped(d, (s) => {
      const distance = binary(s, "sub", approx, slice(s, teacher, 1, 1));
      return mul(s, distance, full(s, [1], 2 * weight));
    });
  },
};
