/**
 * Steps that several methods share on the way from queries and keys to lists.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { cast } from "../device/ops/cast.ts";
import { compact } from "../device/ops/compact.ts";
import { matmul } from "../device/ops/matmul.ts";
import { reshape } from "../device/ops/reshape.ts";
import type { Tensor } from "../device/tensor.ts";

/**
 * Scores of rows of every query head against the keys of its key head, without repeating keys.
 *
 * @param rows [Hq, n, D].
 * @param k [Hkv, L, D].
 * @param alpha Factor of every score.
 * @returns [Hq, n, L].
 */
export function headScores(d: Device, rows: Tensor, k: Tensor, alpha: number): Tensor {
  const [heads, n, width] = rows.shape as [number, number, number];
  const [kvHeads, length] = k.shape as [number, number, number];
  const grouped = reshape(d, rows, [kvHeads, (heads / kvHeads) * n, width]);
  return reshape(d, matmul(d, grouped, k, { alpha }), [heads, n, length]);
}

/**
 * Key tiles of a block mask.
 *
 * @param mask f32 [heads, nQ, nK]: not 0 where a query block sees a key block.
 * @param tileK Keys per block.
 * @returns i32 [heads, nQ, nK]: first key of each tile, ascending, then -1.
 */
export function maskTiles(d: Device, mask: Tensor, tileK: number): Tensor {
  return compact(d, cast(d, mask, "i32"), { step: tileK }).indices;
}

/** A block mask f32 [1, rows, cols], the same for all heads: 1 where `entry` holds. */
export function flagTable(
  d: Device,
  [rows, cols]: readonly [number, number],
  entry: (row: number, col: number) => boolean,
): Tensor {
  const flags = Float32Array.from(
    { length: rows * cols },
    (_, i) => entry(Math.floor(i / cols), i % cols) ? 1 : 0,
  );
  return d.tensor(flags, [1, rows, cols]);
}

/** Lists of different lengths, each filled up with -1: i32 [...shape, longest list]. */
export function listTable(
  d: Device,
  shape: readonly number[],
  lists: readonly (readonly number[])[],
): Tensor {
  const room = lists.reduce((most, list) => Math.max(most, list.length), 0);
  const data = new Int32Array(lists.length * room).fill(-1);
  lists.forEach((list, at) => data.set(list, at * room));
  return d.tensor(data, [...shape, room]);
}

/** An i32 tensor of computed entries. */
export function table(d: Device, shape: readonly number[], entry: (i: number) => number): Tensor {
  const size = shape.reduce((all, n) => all * n, 1);
  return d.tensor(Int32Array.from({ length: size }, (_, i) => entry(i)), shape);
}
