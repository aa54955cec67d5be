/**
 * Flags from lists: the inverse of `compact`.
 *
 * @module
 */
import type { Device } from "../device.ts";
import type { Tensor } from "../tensor.ts";
import { expectInt, expectRank, expectShape, use, useOptional } from "./_check.ts";

/** Options of {@linkcode mark}. */
export interface MarkOptions {
  /** i32 [...]: how many of a row's indices count. @default all */
  readonly counts?: Tensor;
}

/**
 * Writes 1 where an index points and 0 elsewhere.
 *
 * @param d Receives the result.
 * @param index i32 [..., k]: columns; those below 0 or from `cols` on are skipped.
 * @param cols Columns of the result.
 * @returns f32 [..., cols].
 * @throws RangeError if shapes do not fit.
 */
export function mark(d: Device, index: Tensor, cols: number, options: MarkOptions = {}): Tensor {
  const { counts } = options;
  const ids = {
    index: use(d, "mark", "index", index, "i32"),
    counts: useOptional(d, "mark", "counts", counts, "i32"),
  };
  expectRank("mark", "index", index, 1);
  expectInt("mark", "cols", cols, 0);
  const leading = index.shape.slice(0, -1);
  if (counts) expectShape("mark", "counts", counts, leading, "one per row");
  const rows = leading.reduce((all, size) => all * size, 1);
  const out = d.empty([...leading, cols]);
  if (out.size > 0) {
    d.submit({ op: "mark", ...ids, out: out.id, rows, k: index.shape.at(-1)!, cols });
  }
  return out;
}
