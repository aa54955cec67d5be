/**
 * Sums along vertical and diagonal lines of attention maps.
 *
 * @module
 */
import type { Device } from "../device.ts";
import type { Tensor } from "../tensor.ts";
import { expectRank, expectShape, use } from "./_check.ts";

/** What {@linkcode lineSums} returns. */
export interface LineSums {
  /** [batch, length]: the sum of every column. */
  readonly columns: Tensor;
  /** [batch, length]: the sum over every distance between query and key. */
  readonly diagonals: Tensor;
}

/**
 * Sums rows of attention maps by column and by distance.
 *
 * @param d Receives the result.
 * @param x [batch, n, length]: n rows of every map.
 * @param starts i32 [n]: position of each row; its distance to column j is starts[r] - j, and counts from 0 to length - 1.
 * @returns The sums of columns and of diagonals.
 * @throws RangeError if shapes do not fit.
 */
export function lineSums(d: Device, x: Tensor, starts: Tensor): LineSums {
  const ids = { x: use(d, "lineSums", "x", x), starts: use(d, "lineSums", "starts", starts, "i32") };
  expectRank("lineSums", "x", x, 3, 3);
  const [batch, n, length] = x.shape as [number, number, number];
  expectShape("lineSums", "starts", starts, [n], `for "x" [${x.shape}]`);
  const columns = d.empty([batch, length]);
  const diagonals = d.empty([batch, length]);
  if (columns.size > 0) {
    d.submit({
      op: "lineSums",
      ...ids,
      columns: columns.id,
      diagonals: diagonals.id,
      batch,
      n,
      length,
    });
  }
  return { columns, diagonals };
}
