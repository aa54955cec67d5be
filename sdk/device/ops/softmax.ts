/**
 * Softmax.
 *
 * @module
 */
import type { Device } from "../device.ts";
import type { Tensor } from "../tensor.ts";
import { expectFinite, expectRank, use, useOptional } from "./_check.ts";

/** Options of {@linkcode softmax}. */
export interface SoftmaxOptions {
  /** Factor before the exponential. @default 1 */
  readonly scale?: number;
  /** i32 [period]: row r has only its first `lens[r mod period]` columns, the rest become 0. @default all columns */
  readonly lens?: Tensor;
}

/**
 * Computes softmax(scale * x) over the last axis; a row of -Infinity gives zeros.
 *
 * @param d Receives the result.
 * @param x [..., cols].
 * @returns A tensor of the shape of `x`.
 */
export function softmax(d: Device, x: Tensor, options: SoftmaxOptions = {}): Tensor {
  const { scale = 1, lens } = options;
  const id = use(d, "softmax", "x", x);
  expectRank("softmax", "x", x, 1);
  const lensId = useOptional(d, "softmax", "lens", lens, "i32");
  expectFinite("softmax", "scale", scale);
  const cols = x.shape.at(-1)!;
  const out = d.empty(x.shape);
  const period = lens?.size ?? 1;
  if (period === 0 && x.size > 0) {
    throw new RangeError(`Cannot run softmax: "lens" is empty, expected at least one length`);
  }
  if (x.size > 0) {
    d.submit({ op: "softmax", x: id, lens: lensId, out: out.id, rows: x.size / cols, cols, period, scale });
  }
  return out;
}
