/**
 * Softmax.
 *
 * @module
 */
import type { Device } from "../device.ts";
import type { Tensor } from "../tensor.ts";
import { expectFinite, expectRank, use } from "./_check.ts";

/** Options of {@linkcode softmax}. */
export interface SoftmaxOptions {
  /** Factor before the exponential. @default 1 */
  readonly scale?: number;
}

/**
 * Computes softmax(scale * x) over the last axis; a row of -Infinity gives zeros.
 *
 * @param d Receives the result.
 * @param x [..., cols].
 * @returns A tensor of the shape of `x`.
 */
export function softmax(d: Device, x: Tensor, options: SoftmaxOptions = {}): Tensor {
  const { scale = 1 } = options;
  const id = use(d, "softmax", "x", x);
  expectRank("softmax", "x", x, 1);
  expectFinite("softmax", "scale", scale);
  const cols = x.shape.at(-1)!;
  const out = d.empty(x.shape);
  if (x.size > 0) d.submit({ op: "softmax", x: id, out: out.id, rows: x.size / cols, cols, scale });
  return out;
}
