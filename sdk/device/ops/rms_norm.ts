/**
 * Root-mean-square normalisation (Zhang and Sennrich, 2019).
 *
 * @module
 */
import type { Device } from "../device.ts";
import type { Tensor } from "../tensor.ts";
import { expectFinite, expectRank, expectShape, use } from "./_check.ts";
import type { NormOptions } from "./layer_norm.ts";

/**
 * Computes x / sqrt(mean(x^2) + eps) * weight over the last axis.
 *
 * @param d Receives the result.
 * @param x [..., cols].
 * @param weight [cols].
 * @returns A tensor of the shape of `x`.
 * @throws RangeError if shapes do not fit.
 */
export function rmsNorm(d: Device, x: Tensor, weight: Tensor, options: NormOptions = {}): Tensor {
  const { eps = 1e-6 } = options;
  const ids = { x: use(d, "rmsNorm", "x", x), weight: use(d, "rmsNorm", "weight", weight) };
  expectRank("rmsNorm", "x", x, 1);
  expectFinite("rmsNorm", "eps", eps);
  const cols = x.shape.at(-1)!;
  expectShape("rmsNorm", "weight", weight, [cols], `for "x" [${x.shape}]`);
  const out = d.empty(x.shape);
  if (x.size > 0) d.submit({ op: "rmsNorm", ...ids, out: out.id, rows: x.size / cols, cols, eps });
  return out;
}
