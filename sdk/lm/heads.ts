/**
 * The way between rows, whose columns are heads side by side, and heads of rows.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { DTYPE_BYTES } from "../device/ops.ts";
import { use } from "../device/ops/_check.ts";
import { reshape } from "../device/ops/reshape.ts";
import { transpose } from "../device/ops/transpose.ts";
import type { Tensor } from "../device/tensor.ts";

/** Which part of a matrix of rows is taken. */
export interface HeadRows {
  /** First row. */
  readonly first: number;
  /** Rows. */
  readonly count: number;
  /** Column of the first head. */
  readonly column: number;
  /** Heads. */
  readonly heads: number;
  /** Columns of a head. */
  readonly headDim: number;
}

/**
 * Copies heads out of rows.
 *
 * @param d Receives them.
 * @param x f32 [n, width].
 * @param part Which rows and columns; inside `x`.
 * @returns [heads, count, headDim].
 */
export function headsOfRows(d: Device, x: Tensor, part: HeadRows): Tensor {
  const { first, count, column, heads, headDim } = part;
  const width = x.shape[1]!;
  const id = use(d, "headsOfRows", "x", x);
  const out = d.empty([heads, count, headDim]);
  d.submit({
    op: "copy",
    x: id,
    out: out.id,
    size: DTYPE_BYTES.f32,
    n0: 1,
    n1: heads,
    n2: count,
    n3: headDim,
    xOffset: first * width + column,
    x0: 0,
    x1: headDim,
    x2: width,
    x3: 1,
    outOffset: 0,
    out0: 0,
    out1: count * headDim,
    out2: headDim,
    out3: 1,
  });
  return out;
}

/**
 * Puts heads side by side again.
 *
 * @param d Receives the rows.
 * @param x [heads, n, headDim].
 * @returns [n, heads * headDim]; without a copy for one row.
 */
export function rowsOfHeads(d: Device, x: Tensor): Tensor {
  const [heads, n, headDim] = x.shape as [number, number, number];
  return reshape(d, n === 1 ? x : transpose(d, x, [1, 0, 2]), [n, heads * headDim]);
}
