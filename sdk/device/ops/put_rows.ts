/**
 * Writes rows in place.
 *
 * @module
 */
import type { Device } from "../device.ts";
import { DTYPE_BYTES } from "../ops.ts";
import type { Tensor } from "../tensor.ts";
import { expectInt, expectRank, use } from "./_check.ts";

/**
 * Copies the first `n` rows of x to rows `at` to `at + n - 1` of every head of `target`; other rows stay.
 *
 * @param d The device of the tensors.
 * @param target [heads, capacity, width], any type; changed.
 * @param at First row to write.
 * @param x [some heads, at least n, width] of the same type.
 * @param head First head to write, where x has fewer than `target`. @default 0
 * @param n Rows to copy. @default all of x
 * @throws RangeError if the rows are not inside `target`.
 */
export function putRows(
  d: Device,
  target: Tensor,
  at: number,
  x: Tensor,
  head: number = 0,
  n: number = x.shape[1] ?? 0,
): void {
  const ids = { out: use(d, "putRows", "target", target, x.dtype), x: use(d, "putRows", "x", x, x.dtype) };
  expectRank("putRows", "target", target, 3, 3);
  expectRank("putRows", "x", x, 3, 3);
  const [heads, capacity, width] = target.shape as [number, number, number];
  const [count, rows, columns] = x.shape as [number, number, number];
  expectInt("putRows", "at", at, 0, capacity);
  expectInt("putRows", "head", head, 0, heads);
  expectInt("putRows", "n", n, 0, rows);
  if (columns !== width || at + n > capacity || head + count > heads) {
    throw new RangeError(
      `Cannot run putRows: "x" [${x.shape}] does not fit into "target" [${target.shape}] from head ${head} and row ${at} on`,
    );
  }
  if (count * n * width === 0) return;
  d.submit({
    op: "copy",
    ...ids,
    size: DTYPE_BYTES[x.dtype],
    n0: 1,
    n1: 1,
    n2: count,
    n3: n * width,
    xOffset: 0,
    x0: 0,
    x1: 0,
    x2: rows * width,
    x3: 1,
    outOffset: (head * capacity + at) * width,
    out0: 0,
    out1: 0,
    out2: capacity * width,
    out3: 1,
  });
}
