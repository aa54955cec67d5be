/**
 * Exchanges axes.
 *
 * @module
 */
import type { Device } from "../device.ts";
import { DTYPE_BYTES } from "../ops.ts";
import type { Tensor } from "../tensor.ts";
import { expectRank, live, product } from "./_check.ts";

/**
 * Copies a tensor with its axes in another order.
 *
 * @param d Receives the result.
 * @param x Up to four axes, any type.
 * @param order Axis i of the result is axis order[i] of `x`. @default all axes reversed
 * @returns The copy.
 * @throws RangeError if `order` is not a permutation of the axes.
 */
export function transpose(d: Device, x: Tensor, order?: readonly number[]): Tensor {
  const id = live(d, "transpose", "x", x);
  expectRank("transpose", "x", x, 0, 4);
  const rank = x.shape.length;
  const axes = order ?? x.shape.map((_, i) => rank - 1 - i);
  if (axes.length !== rank || x.shape.some((_, i) => !axes.includes(i))) {
    throw new RangeError(
      `Cannot run transpose: "order" is [${axes}], expected every axis of "x" [${x.shape}] once`,
    );
  }
  const shape = axes.map((axis) => x.shape[axis]!);
  const out = d.empty(shape, x.dtype);
  if (out.size === 0) return out;
  const pad = new Array<number>(4 - rank);
  const [n0, n1, n2, n3] = [...pad.fill(1), ...shape] as [number, number, number, number];
  const strides = [...pad.fill(0), ...axes.map((axis) => product(x.shape.slice(axis + 1)))];
  const [x0, x1, x2, x3] = strides as [number, number, number, number];
  d.submit({
    op: "copy",
    x: id,
    out: out.id,
    size: DTYPE_BYTES[x.dtype],
    n0,
    n1,
    n2,
    n3,
    xOffset: 0,
    x0,
    x1,
    x2,
    x3,
    outOffset: 0,
    out0: n1 * n2 * n3,
    out1: n2 * n3,
    out2: n3,
    out3: 1,
  });
  return out;
}
