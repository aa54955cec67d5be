/**
 * Rows by number.
 *
 * @module
 */
import type { Device } from "../device.ts";
import { DTYPE_BYTES } from "../ops.ts";
import type { Tensor } from "../tensor.ts";
import { expectRank, live, product, use } from "./_check.ts";

/**
 * Copies the rows that a list names.
 *
 * @param d Receives the result.
 * @param x [rows, ...], any type.
 * @param indices i32 [...m], each below `rows` (not checked: it lies on the device); below 0 gives a row of zeros.
 * @returns [...m, ...].
 */
export function gather(d: Device, x: Tensor, indices: Tensor): Tensor {
  const ids = { x: live(d, "gather", "x", x), index: use(d, "gather", "indices", indices, "i32") };
  expectRank("gather", "x", x, 1);
  const row = x.shape.slice(1);
  const out = d.empty([...indices.shape, ...row], x.dtype);
  if (out.size > 0) {
    d.submit({
      op: "gather",
      ...ids,
      out: out.id,
      n: indices.size,
      width: product(row),
      size: DTYPE_BYTES[x.dtype],
    });
  }
  return out;
}
