/**
 * Random profiles of PAROAttention and heads that fit them.
 *
 * @module
 */
import { type Random, random } from "../testing/random.ts";
import { type Heads, randomHeads } from "./_test_heads.ts";
import type { GridDims } from "./paro_attention_orders.ts";
import { packMask, type ParoProfile } from "./paro_attention_profile.ts";

/** Sizes of a profile. */
export interface Grid {
  readonly dims: GridDims;
  readonly textLen: number;
  readonly blockSize: number;
}

/** Text that ends inside a block, and a short last block. */
export const GRID: Grid = { dims: [3, 4, 5], textLen: 7, blockSize: 8 };

/** Tokens of text and grid. */
export function lengthOf({ dims, textLen }: Grid): number {
  return textLen + dims[0] * dims[1] * dims[2];
}

/** Heads of that length. */
export function headsFor(grid: Grid, heads: number, kvHeads = heads, seed = 9): Heads {
  const length = lengthOf(grid);
  return randomHeads(random(seed), { heads, kvHeads, lq: length, lk: length, headDim: 8 });
}

/** A profile of one layer with random masks, two steps that share none. */
export function randomProfile(source: Random, grid: Grid, order: readonly number[]): ParoProfile {
  const n = Math.ceil(lengthOf(grid) / grid.blockSize);
  const parts = Array.from({ length: 2 * order.length }, () => packMask(source.ints(n * n, 0, 2)));
  const masks = Uint8Array.from(parts.flatMap((part) => [...part]));
  return { version: 1, ...grid, density: 0.5, order: [order], maskOfStep: [0, 1], masks };
}
