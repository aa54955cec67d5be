/**
 * Lists of patterns that depend on positions alone: made by arithmetic on the host, one upload for all heads that agree.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { gather } from "../device/ops/gather.ts";
import type { Tensor } from "../device/tensor.ts";
import { listTable } from "./scores.ts";

/** How queries and keys are cut. */
export interface BlockGrid {
  /** Queries. */
  readonly lq: number;
  /** Keys. */
  readonly lk: number;
  /** Rows per query block. */
  readonly blockQ: number;
  /** Keys per tile. */
  readonly tileK: number;
  /** Whether no row block lists a tile after its last row. @default true */
  readonly causal?: boolean;
}

/**
 * Rows per query block with which no block of rows lies in two blocks of positions.
 *
 * The query of row i has position i + lk - lq. Where rows begin inside a block of positions, this is a divisor of the block size: cheap lists want
 * chunks that begin at a multiple of it.
 */
export function alignedRows(lq: number, lk: number, blockSize: number): number {
  const start = (lk - lq) % blockSize;
  const inside = start < 0 ? start + blockSize : start;
  if (inside + lq <= blockSize) return blockSize;
  let [rows, rest] = [blockSize, inside];
  while (rest > 0) [rows, rest] = [rest, rows % rest];
  return rows;
}

/**
 * Tiles of a pattern.
 *
 * @param d Receives the lists.
 * @param keys A number for every head; heads with the same number have the same pattern.
 * @param sees Whether the rows of a block, the first of which has position `first`, need key tile `j`.
 * @returns i32 [heads, nQ, T], or [1, nQ, T] if all heads agree: first key of each tile, ascending, then -1.
 */
export function blockTiles(
  d: Device,
  { lq, lk, blockQ, tileK, causal = true }: BlockGrid,
  keys: readonly number[],
  sees: (key: number, j: number, first: number) => boolean,
): Tensor {
  const blocks = Math.ceil(lq / blockQ);
  const distinct = [...new Set(keys)];
  const lists = distinct.flatMap((key) =>
    Array.from({ length: blocks }, (_, n) => {
      const first = n * blockQ + lk - lq;
      const last = (causal ? Math.min(first + blockQ, lk) : lk) - 1;
      const list: number[] = [];
      for (let j = 0; j * tileK <= last; j++) if (sees(key, j, first)) list.push(j * tileK);
      return list;
    })
  );
  const tiles = listTable(d, [distinct.length, blocks], lists);
  if (distinct.length <= 1) return tiles;
  const indices = Int32Array.from(keys, (key) => distinct.indexOf(key));
  return gather(d, tiles, d.tensor(indices, [keys.length]));
}

/** Whether a block of rows that begins at position `first` needs a tile for sink tokens and a window, both counted in tokens. */
export function touchesBand(
  { sink, window }: { readonly sink: number; readonly window: number },
  tileK: number,
  j: number,
  first: number,
): boolean {
  return j * tileK < sink || (j + 1) * tileK > first - window + 1;
}
