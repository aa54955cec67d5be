/**
 * The loss of SeerAttention's distillation: how far the gate's rows are from those of the attention map.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { add, binary, mul } from "../device/ops/binary.ts";
import { full } from "../device/ops/fill.ts";
import { reduce } from "../device/ops/reduce.ts";
import { reshape } from "../device/ops/reshape.ts";
import { softmax } from "../device/ops/softmax.ts";
import { unary } from "../device/ops/unary.ts";
import { scoped } from "../device/scoped.ts";
import type { Tensor } from "../device/tensor.ts";
import { causalLens, causalMask, causalPenalty } from "../methods/seer_attention_forward.ts";

/**
 * KL divergence as the official code takes it: the mean over all elements, later blocks included, of every row but the first quarter.
 *
 * `logits` and `target` are [heads, n, n]; logits of later blocks do not count. Rows of the target sum to 1.
 */
export const seerLoss: {
  /** The divergence, [1]. */
  forward(d: Device, logits: Tensor, target: Tensor): Tensor;
  /** The gradient of `scale` times the divergence with respect to the logits, [heads, n, n]. */
  backward(d: Device, logits: Tensor, target: Tensor, scale: number): Tensor;
} = {
  forward(d, logits, target) {
    return scoped(d, (s) => {
      const shape = logits.shape.slice(1);
      const seen = mul(s, logits, causalMask(s, shape, 0));
      const masked = add(s, seen, causalPenalty(s, shape, 0));
      const shifted = binary(s, "sub", masked, reduce(s, "max", masked), { axis: "rows" });
      const logSum = unary(s, "log", reduce(s, "sum", unary(s, "exp", shifted)));
      const logShare = binary(s, "sub", shifted, logSum, { axis: "rows" });
      // The logarithm of 0 would turn 0 * log 0 into NaN.
      const logTarget = unary(s, "log", binary(s, "max", target, full(s, [1], 1e-37)));
      const terms = mul(s, target, binary(s, "sub", logTarget, logShare));
      const rows = reduce(s, "sum", mul(s, terms, rowWeights(s, logits.shape, 1)));
      return reshape(s, reduce(s, "sum", reshape(s, rows, [rows.size])), [1]);
    });
  },

  backward(d, logits, target, scale) {
    return scoped(d, (s) => {
      const share = softmax(s, logits, { lens: causalLens(s, logits.shape.slice(1), 0) });
      return mul(s, binary(s, "sub", share, target), rowWeights(s, logits.shape, scale));
    });
  },
};

/** [n, n]: scale / number of elements in the mean, 0 in the first quarter of the rows. */
function rowWeights(d: Device, shape: readonly number[], scale: number): Tensor {
  const [heads, n] = shape as [number, number];
  const skipped = Math.floor(n / 4);
  const weight = scale / (heads * (n - skipped) * n);
  const entry = (i: number): number => Math.floor(i / n) < skipped ? 0 : weight;
  return d.tensor(Float32Array.from({ length: n * n }, (_, i) => entry(i)), [n, n]);
}
