/**
 * The largest elements.
 *
 * @module
 */
import type { Device } from "../device.ts";
import type { Tensor } from "../tensor.ts";
import { expectInt, expectRank, use } from "./_check.ts";

/** What {@linkcode topk} returns. */
export interface TopK {
  /** [..., k], descending. */
  readonly values: Tensor;
  /** i32 [..., k]: where they were. */
  readonly indices: Tensor;
}

/** Options of {@linkcode topk}. */
export interface TopKOptions {
  /** Whether they come in descending order; where order does not matter, many are found faster without. @default true */
  readonly sorted?: boolean;
}

/**
 * Finds the `k` largest of each row; the lower index comes first among equals.
 *
 * @param d Receives the result.
 * @param x [..., cols].
 * @param k From 0 to cols.
 * @returns Values and indices.
 */
export function topk(d: Device, x: Tensor, k: number, { sorted = true }: TopKOptions = {}): TopK {
  const id = use(d, "topk", "x", x);
  expectRank("topk", "x", x, 1);
  const cols = x.shape.at(-1)!;
  expectInt("topk", "k", k, 0, cols);
  const shape = x.shape.with(-1, k);
  const values = d.empty(shape);
  const indices = d.empty(shape, "i32");
  if (values.size > 0) {
    d.submit({
      op: "topk",
      x: id,
      values: values.id,
      indices: indices.id,
      rows: x.size / cols,
      cols,
      k,
      sorted: sorted ? 1 : 0,
    });
  }
  return { values, indices };
}
