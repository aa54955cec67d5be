/**
 * The six orders of a grid of tokens.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { gather } from "../device/ops/gather.ts";
import { reshape } from "../device/ops/reshape.ts";
import type { Tensor } from "../device/tensor.ts";
import { table } from "./scores.ts";

/** Frames, height and width of the tokens of a picture or video. */
export type GridDims = readonly [frames: number, height: number, width: number];

/** The axes of every order, slowest first: 0 frames, 1 height, 2 width. */
export const PARO_ORDERS: readonly (readonly [number, number, number])[] = [
  [0, 1, 2],
  [0, 2, 1],
  [1, 2, 0],
  [1, 0, 2],
  [2, 1, 0],
  [2, 0, 1],
];

/** Tokens of a grid and the text before it. */
export function gridLength(dims: GridDims, textLen: number): number {
  return textLen + dims[0] * dims[1] * dims[2];
}

/**
 * Refuses queries and keys of another length.
 *
 * @throws RangeError that says what the grid holds.
 */
export function expectGrid(
  dims: GridDims,
  textLen: number,
  { lq, lk }: { readonly lq: number; readonly lk: number },
): void {
  const length = gridLength(dims, textLen);
  if (lq === length && lk === length) return;
  const why = textLen > Math.min(lq, lk)
    ? "the text alone is longer than the sequence"
    : "the grid does not match";
  throw new RangeError(
    `Cannot plan paroAttention: ${why}, ${textLen} tokens of text and ${
      dims.join(" x ")
    } of a picture are ${length} tokens, got ${lq} queries and ${lk} keys`,
  );
}

/**
 * The token of every place in an order; text stays in front.
 *
 * @param order From 0 to 5, a place in {@linkcode PARO_ORDERS}.
 */
export function orderTokens(dims: GridDims, textLen: number, order: number): Int32Array<ArrayBuffer> {
  const axes = PARO_ORDERS[order]!;
  const strides = [dims[1] * dims[2], dims[2], 1] as const;
  const tokens = new Int32Array(gridLength(dims, textLen)).map((_, i) => i);
  let at = textLen;
  for (let a = 0; a < dims[axes[0]]!; a++) {
    for (let b = 0; b < dims[axes[1]]!; b++) {
      for (let c = 0; c < dims[axes[2]]!; c++) {
        tokens[at++] = textLen + a * strides[axes[0]]! + b * strides[axes[1]]! + c * strides[axes[2]]!;
      }
    }
  }
  return tokens;
}

/** The lowest order that puts the tokens as this one does: orders coincide where an axis has one token. */
export function firstOfSame(dims: GridDims, order: number): number {
  const moved = (id: number): string => `${PARO_ORDERS[id]!.filter((axis) => dims[axis]! > 1)}`;
  return PARO_ORDERS.findIndex((_, id) => moved(id) === moved(order));
}

/** The orders of heads as a part of a plan: [heads, L], [1, L] if all agree, nothing if they leave everything in place. */
export function orderPart(
  d: Device,
  dims: GridDims,
  textLen: number,
  orders: readonly number[],
): Tensor | undefined {
  const own = orders.map((order) => firstOfSame(dims, order));
  if (own.every((order) => order === 0)) return undefined;
  const rows = own.every((order) => order === own[0]) ? own.slice(0, 1) : own;
  const tokens = new Map([...new Set(rows)].map((order) => [order, orderTokens(dims, textLen, order)]));
  const length = gridLength(dims, textLen);
  return table(d, [rows.length, length], (i) => tokens.get(rows[Math.floor(i / length)]!)![i % length]!);
}

/** Rows of [heads * L, ...] in the orders of heads, i32 [heads, L]: what {@linkcode permuteHeads} gathers, and a scatter puts back. */
export function orderRows(d: Device, dims: GridDims, textLen: number, orders: readonly number[]): Tensor {
  const length = gridLength(dims, textLen);
  const tokens = new Map(orders.map((order) => [order, orderTokens(dims, textLen, order)]));
  return table(d, [orders.length, length], (i) => {
    const h = Math.floor(i / length);
    return h * length + tokens.get(orders[h]!)![i - h * length]!;
  });
}

/**
 * The tokens of every head in its order.
 *
 * @param x [heads, L, D].
 * @param rows Of {@linkcode orderRows}.
 */
export function permuteHeads(d: Device, x: Tensor, rows: Tensor): Tensor {
  const [heads, length, width] = x.shape as [number, number, number];
  return gather(d, reshape(d, x, [heads * length, width]), rows);
}
