/**
 * The three head patterns of MInference (arXiv 2407.02490) as lists of a plan.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { add, binary, mul } from "../device/ops/binary.ts";
import { cast } from "../device/ops/cast.ts";
import { compact } from "../device/ops/compact.ts";
import { concat } from "../device/ops/concat.ts";
import { full } from "../device/ops/fill.ts";
import { gather } from "../device/ops/gather.ts";
import { groupMean } from "../device/ops/group_mean.ts";
import { mark } from "../device/ops/mark.ts";
import { type MergedLines, mergeLines } from "../device/ops/merge_lines.ts";
import { repeat } from "../device/ops/repeat.ts";
import { slice } from "../device/ops/slice.ts";
import { topk } from "../device/ops/topk.ts";
import type { Tensor } from "../device/tensor.ts";
import { blockTiles, touchesBand } from "./block_lists.ts";
import { lastLines } from "./minference_lines.ts";
import type { Note, Sizes } from "./planner.ts";
import { headScores, maskTiles, table } from "./scores.ts";

/** A query head and the two sizes of its pattern. */
export interface SizedHead {
  /** Number of the query head. */
  readonly head: number;
  /** Initial keys, vertical lines or blocks. */
  readonly a: number;
  /** Local keys or diagonals. */
  readonly b: number;
}

/** What the official kernels fix. */
export interface LineSettings {
  /** Last queries that choose the lines. @default 64 */
  readonly lastQ: number;
  /** First keys that are always listed as columns. @default 30 */
  readonly forcedColumns: number;
  /** Smallest distances that are always listed, even where fewer are asked for. @default 100 */
  readonly forcedDiagonals: number;
  /** Queries per block and keys per tile. @default 64 */
  readonly blockSize: number;
}

/**
 * Tiles and columns of vertical-slash heads.
 *
 * @param heads Ascending by head, at least one.
 * @returns Lists [heads.length, nQ, *]; a tile of the last query block may begin after the last key.
 */
export function verticalSlash(
  d: Device,
  q: Tensor,
  k: Tensor,
  { lq, lk }: Sizes,
  heads: readonly SizedHead[],
  settings: LineSettings,
  note: Note,
): MergedLines {
  const { forcedColumns, forcedDiagonals, blockSize } = settings;
  // 2, 3: what the last queries look at.
  const last = slice(d, q, 1, Math.max(0, lq - settings.lastQ));
  const lines = lastLines(d, last, k, heads.map(({ head }) => head));
  note("verticalScore", lines.columns);
  note("slashScore", lines.diagonals);

  // 1, 4: the largest of every head, forced ones included.
  const within = (sizes: readonly number[], forced: number): number[] =>
    sizes.map((size) => Math.min(lk, Math.max(size, forced)));
  const columnCounts = within(heads.map(({ a }) => a), forcedColumns);
  const diagonalCounts = within(heads.map(({ b }) => b), forcedDiagonals);
  const largest = (scores: Tensor, counts: readonly number[], forced: number): Tensor => {
    const first = Math.min(lk, forced);
    const infinite = full(d, [heads.length, first], Infinity);
    const ranked = topk(d, concat(d, [infinite, slice(d, scores, 1, first)], 1), Math.max(...counts));
    return mark(d, ranked.indices, lk, { counts: table(d, [heads.length], (i) => counts[i]!) });
  };
  const columnFlags = largest(lines.columns, columnCounts, forcedColumns);
  const { indices: columns } = compact(d, cast(d, columnFlags, "i32"), {
    capacity: Math.max(...columnCounts),
  });
  // Sorting distances plus 1 among zeros puts the largest first and leaves -1 behind the last.
  const distances = mul(
    d,
    largest(lines.diagonals, diagonalCounts, forcedDiagonals),
    d.tensor(Float32Array.from({ length: lk }, (_, i) => i + 1), [lk]),
  );
  const sorted = topk(d, distances, Math.max(...diagonalCounts)).values;
  const diagonals = cast(d, binary(d, "sub", sorted, full(d, [1], 1)), "i32");
  note("verticalIdx", columns);
  note("slashIdx", diagonals);

  // 5: the range merge.
  const blocks = Math.ceil(lq / blockSize);
  const merged = mergeLines(d, columns, diagonals, { block: blockSize, blocks, offset: lk - lq });
  note("lineTiles", merged.tiles);
  note("lineColumns", merged.columns);
  return merged;
}

/**
 * Tiles of block-sparse heads: of every query block the `a` key blocks whose mean keys score highest.
 *
 * @param heads Ascending by head, at least one.
 * @returns i32 [heads.length, nQ, nK].
 */
export function blockSparse(
  d: Device,
  q: Tensor,
  k: Tensor,
  { lq, lk }: Sizes,
  heads: readonly SizedHead[],
  { blockSize }: LineSettings,
  note: Note,
): Tensor {
  const [nQ, nK] = [Math.ceil(lq / blockSize), Math.ceil(lk / blockSize)];
  const scores = headScores(d, groupMean(d, q, blockSize), groupMean(d, k, blockSize), 1);
  const own = gather(d, scores, table(d, [heads.length], (i) => heads[i]!.head));
  const visible = (r: number): number =>
    Math.floor((Math.min((r + 1) * blockSize, lq) - 1 + lk - lq) / blockSize) + 1;
  const triangle = (below: number, above: number): Tensor =>
    d.tensor(
      Float32Array.from({ length: nQ * nK }, (_, i) => i % nK < visible(Math.floor(i / nK)) ? below : above),
      [nQ, nK],
    );
  const causal = triangle(1, 0);
  note("pooledScore", mul(d, own, causal));
  const ranked = topk(
    d,
    add(d, own, triangle(0, -Infinity)),
    Math.min(nK, Math.max(...heads.map(({ a }) => a))),
  );
  const counts = table(
    d,
    [heads.length, nQ],
    (i) => Math.min(heads[Math.floor(i / nQ)]!.a, visible(i % nQ)),
  );
  const chosen = mul(d, mark(d, ranked.indices, nK, { counts }), causal);
  note("blockMask", chosen);
  return maskTiles(d, chosen, blockSize);
}

/**
 * Tiles of A-shape heads: those that touch the first `a` keys or the window of `b` keys; the plan's band cuts the rest.
 *
 * @param heads At least one.
 * @returns i32 [heads.length, nQ, *].
 */
export function aShape(
  d: Device,
  { lq, lk }: Sizes,
  heads: readonly SizedHead[],
  { blockSize }: LineSettings,
): Tensor {
  const keys = heads.map(({ a, b }) => heads.findIndex((other) => other.a === a && other.b === b));
  const grid = { lq, lk, blockQ: blockSize, tileK: blockSize };
  const tiles = blockTiles(d, grid, keys, (key, j, first) => {
    const { a: sink, b: window } = heads[key]!;
    return window > 0 ? touchesBand({ sink, window }, blockSize, j, first) : j * blockSize < sink;
  });
  return tiles.shape[0] === heads.length ? tiles : repeat(d, tiles, 0, heads.length);
}
