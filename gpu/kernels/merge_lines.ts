/**
 * Vertical and diagonal lines to tiles and columns.
 *
 * @module
 */
import type { OpOf } from "../../sdk/device/ops.ts";
import { type Context, type Dispatch, type Kernel, NOTHING } from "../kernel.ts";
import { chunksOf, fits, rowsOf, tooWide } from "../windows.ts";
import { fillBits } from "./fill.ts";
import source from "./merge_lines.wgsl" with { type: "text" };

const kernel: Kernel = {
  name: "merge_lines",
  source,
  bindings: { columns: "read", diagonals: "read", tiles: "write", lists: "write" },
  params: {
    rows: "u",
    first: "u",
    columnCount: "u",
    diagonalCount: "u",
    blocks: "u",
    tileCap: "u",
    columnCap: "u",
    block: "u",
    offset: "u",
  },
};

/** Threads are few and each has much to do, so that small workgroups spread better. */
const THREADS = 64;

/** `mergeLines` as dispatches: -1 everywhere, then the lists. */
export function mergeLines(op: OpOf<"mergeLines">, { caps }: Context): Dispatch[] {
  const { heads, blocks, columnCount, diagonalCount, tileCap, columnCap, block, offset } = op;
  const rows = heads * blocks;
  const empty = [[op.tiles, tileCap] as const, [op.lists, columnCap] as const].flatMap(([id, cap]) =>
    cap ? fillBits(caps, id, rows * cap, 0xffff_ffff) : []
  );
  if (diagonalCount === 0) return empty;
  const columns = windowOf(op.columns, columnCount, 0, heads);
  const diagonals = windowOf(op.diagonals, diagonalCount, 0, heads);
  if (!fits(caps, columns, diagonals)) throw tooWide(caps, heads, 4 * Math.max(columnCount, diagonalCount));
  const merged = Array.from(chunksOf(caps, rows, [4 * tileCap, 4 * columnCap]), ([from, to]) => ({
    kernel,
    constants: { THREADS },
    bind: [
      columns,
      diagonals,
      windowOf(op.tiles, tileCap, from, to),
      windowOf(op.lists, columnCap, from, to),
    ],
    params: {
      rows: to - from,
      first: from,
      columnCount,
      diagonalCount,
      blocks,
      tileCap,
      columnCap,
      block,
      offset,
    },
    groups: Math.ceil((to - from) / THREADS),
  }));
  return [...empty, ...merged];
}

/** Rows of numbers, if they have any. */
function windowOf(id: number, width: number, from: number, to: number): ReturnType<typeof rowsOf> {
  return width === 0 ? NOTHING : rowsOf(id, 4 * width, from, to);
}
