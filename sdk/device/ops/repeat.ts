/**
 * Repeats tensors.
 *
 * @module
 */
import type { Device } from "../device.ts";
import { DTYPE_BYTES } from "../ops.ts";
import type { Tensor } from "../tensor.ts";
import { axisOf, expectInt, live, product } from "./_check.ts";

/**
 * Repeats a tensor along one axis, as a whole: [a, b] twice is [a, b, a, b].
 *
 * @param d Receives the result.
 * @param x Any shape and type.
 * @param axis The axis; below 0 from the end.
 * @param times How often, from 0.
 * @returns A tensor whose axis is `times` as long.
 */
export function repeat(d: Device, x: Tensor, axis: number, times: number): Tensor {
  const id = live(d, "repeat", "x", x);
  const at = axisOf("repeat", x, axis);
  expectInt("repeat", "times", times, 0);
  const out = d.empty(x.shape.with(at, x.shape[at]! * times), x.dtype);
  if (out.size === 0) return out;
  const width = product(x.shape.slice(at));
  d.submit({
    op: "copy",
    x: id,
    out: out.id,
    size: DTYPE_BYTES[x.dtype],
    n0: 1,
    n1: product(x.shape.slice(0, at)),
    n2: times,
    n3: width,
    xOffset: 0,
    x0: 0,
    x1: width,
    x2: 0,
    x3: 1,
    outOffset: 0,
    out0: 0,
    out1: times * width,
    out2: width,
    out3: 1,
  });
  return out;
}
