/**
 * Vertical and diagonal lines to key tiles and single columns.
 *
 * @module
 */
import type { Device } from "../device.ts";
import type { Tensor } from "../tensor.ts";
import { expectInt, expectRank, use } from "./_check.ts";

/** Sizes of {@linkcode mergeLines}. */
export interface MergeLinesOptions {
  /** Queries per block and keys per tile. */
  readonly block: number;
  /** Query blocks. */
  readonly blocks: number;
  /** Position of the first query. @default 0 */
  readonly offset?: number;
  /** Room for tiles in every query block. @default as many as can be needed */
  readonly tileCap?: number;
}

/** What {@linkcode mergeLines} returns. */
export interface MergedLines {
  /** i32 [heads, blocks, tileCap]: first key of each tile, ascending, then -1. */
  readonly tiles: Tensor;
  /** i32 [heads, blocks, columnCount]: columns outside the tiles, ascending, then -1. */
  readonly columns: Tensor;
}

/**
 * Covers diagonals with tiles and lists the columns between them, by MInference's range merge (arXiv 2407.02490).
 *
 * @param d Receives the result.
 * @param columns i32 [heads, columnCount]: columns, ascending, then -1.
 * @param diagonals i32 [heads, diagonalCount]: distances between query and key, descending, then -1.
 * @returns Tiles and columns of every query block.
 * @throws RangeError if shapes do not fit.
 */
export function mergeLines(
  d: Device,
  columns: Tensor,
  diagonals: Tensor,
  options: MergeLinesOptions,
): MergedLines {
  const ids = {
    columns: use(d, "mergeLines", "columns", columns, "i32"),
    diagonals: use(d, "mergeLines", "diagonals", diagonals, "i32"),
  };
  expectRank("mergeLines", "columns", columns, 2, 2);
  expectRank("mergeLines", "diagonals", diagonals, 2, 2);
  const [heads, columnCount] = columns.shape as [number, number];
  const [others, diagonalCount] = diagonals.shape as [number, number];
  if (heads !== others) {
    throw new RangeError(
      `Cannot run mergeLines: "columns" [${columns.shape}] and "diagonals" [${diagonals.shape}] have different heads`,
    );
  }
  const { block, blocks, offset = 0 } = options;
  expectInt("mergeLines", "block", block, 1);
  expectInt("mergeLines", "blocks", blocks, 0);
  expectInt("mergeLines", "offset", offset, 0);
  // Tiles of a block do not overlap, and every diagonal brings at most one.
  const { tileCap = Math.min(diagonalCount, Math.ceil(offset / block) + blocks + 1) } = options;
  expectInt("mergeLines", "tileCap", tileCap, 0);
  const tiles = d.empty([heads, blocks, tileCap], "i32");
  const lists = d.empty([heads, blocks, columnCount], "i32");
  if (heads * blocks > 0 && tileCap + columnCount > 0) {
    d.submit({
      op: "mergeLines",
      ...ids,
      tiles: tiles.id,
      lists: lists.id,
      heads,
      columnCount,
      diagonalCount,
      blocks,
      tileCap,
      columnCap: columnCount,
      block,
      offset,
    });
  }
  return { tiles, columns: lists };
}
