/**
 * Layer normalisation (Ba, Kiros and Hinton, 2016).
 *
 * @module
 */
import type { Device } from "../device.ts";
import type { Tensor } from "../tensor.ts";
import { expectFinite, expectRank, expectShape, use } from "./_check.ts";

/** Options of the norms. */
export interface NormOptions {
  /** Added to the variance or mean square. @default 1e-5 for layerNorm, 1e-6 for rmsNorm */
  readonly eps?: number;
}

/**
 * Computes (x - mean) / sqrt(variance + eps) * weight + bias over the last axis, with the biased variance.
 *
 * @param d Receives the result.
 * @param x [..., cols].
 * @param weight [cols].
 * @param bias [cols].
 * @returns A tensor of the shape of `x`.
 * @throws RangeError if shapes do not fit.
 */
export function layerNorm(
  d: Device,
  x: Tensor,
  weight: Tensor,
  bias: Tensor,
  options: NormOptions = {},
): Tensor {
  const { eps = 1e-5 } = options;
  const ids = {
    x: use(d, "layerNorm", "x", x),
    weight: use(d, "layerNorm", "weight", weight),
    bias: use(d, "layerNorm", "bias", bias),
  };
  expectRank("layerNorm", "x", x, 1);
  expectFinite("layerNorm", "eps", eps);
  const cols = x.shape.at(-1)!;
  expectShape("layerNorm", "weight", weight, [cols], `for "x" [${x.shape}]`);
  expectShape("layerNorm", "bias", bias, [cols], `for "x" [${x.shape}]`);
  const out = d.empty(x.shape);
  if (x.size > 0) d.submit({ op: "layerNorm", ...ids, out: out.id, rows: x.size / cols, cols, eps });
  return out;
}
