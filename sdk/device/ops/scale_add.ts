/**
 * Scales vectors by numbers.
 *
 * @module
 */
import type { Device } from "../device.ts";
import type { Tensor } from "../tensor.ts";
import { expectShape, use } from "./_check.ts";

/**
 * Computes x * w + b, where every number of x scales a vector of its own.
 *
 * @param d Receives the result.
 * @param x [...].
 * @param w [..., e].
 * @param b [..., e].
 * @returns [..., e].
 * @throws RangeError if shapes do not fit.
 */
export function scaleAdd(d: Device, x: Tensor, w: Tensor, b: Tensor): Tensor {
  const ids = {
    x: use(d, "scaleAdd", "x", x),
    w: use(d, "scaleAdd", "w", w),
    bias: use(d, "scaleAdd", "b", b),
  };
  const e = w.shape.at(-1) ?? 1;
  expectShape("scaleAdd", "w", w, [...x.shape, e], `for "x" [${x.shape}]`);
  expectShape("scaleAdd", "b", b, w.shape, `for "w" [${w.shape}]`);
  const out = d.empty(w.shape);
  if (out.size > 0) d.submit({ op: "scaleAdd", ...ids, out: out.id, n: x.size, e });
  return out;
}
