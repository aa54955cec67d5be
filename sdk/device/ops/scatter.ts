/**
 * Writes rows by number.
 *
 * @module
 */
import type { Device } from "../device.ts";
import { DTYPE_BYTES } from "../ops.ts";
import type { Tensor } from "../tensor.ts";
import { expectRank, expectShape, live, product, use } from "./_check.ts";

/**
 * Copies row i of x to row indices[i] of out, in place; other rows stay.
 *
 * @param d The device of the tensors.
 * @param x [...m, ...], any type.
 * @param indices i32 [...m], each below the rows of `out` (not checked: it lies on the device); below 0 is left out. Where a number comes twice, either row may win.
 * @param out [rows, ...]; changed.
 * @returns `out`.
 * @throws RangeError if shapes do not fit.
 */
export function scatter(d: Device, x: Tensor, indices: Tensor, out: Tensor): Tensor {
  const ids = { x: live(d, "scatter", "x", x), index: use(d, "scatter", "indices", indices, "i32") };
  const target = use(d, "scatter", "out", out, x.dtype);
  expectRank("scatter", "out", out, 1);
  const row = out.shape.slice(1);
  expectShape(
    "scatter",
    "x",
    x,
    [...indices.shape, ...row],
    `for "indices" [${indices.shape}] and "out" [${out.shape}]`,
  );
  if (x.size > 0) {
    d.submit({
      op: "scatter",
      ...ids,
      out: target,
      n: indices.size,
      width: product(row),
      size: DTYPE_BYTES[x.dtype],
    });
  }
  return out;
}
