/**
 * Tiles and their bits from lines.
 *
 * @module
 */
import type { OpOf } from "../../sdk/device/ops.ts";
import { type Caps, type Context, type Dispatch, type Kernel, THREADS, type Window } from "../kernel.ts";
import { chunksOf, rowsOf, tooWide } from "../windows.ts";
import { fillBits } from "./fill.ts";
import bitsSource from "./line_bits.wgsl" with { type: "text" };
import runsSource from "./line_runs.wgsl" with { type: "text" };
import source from "./line_tiles.wgsl" with { type: "text" };

const kernel: Kernel = {
  name: "line_tiles",
  source,
  bindings: { queries: "read", keys: "read", runs: "read", lines: "read", tiles: "read", out: "write" },
  params: {
    ...{ rows: "u", first: "u", blocks: "u", slices: "u", words: "u" },
    ...{ queryHead: "u", keyHead: "u", runHead: "u", queryClasses: "u", keyClasses: "u" },
    ...{ lq: "u", lk: "u", length: "u", blockQ: "u", tileK: "u", tileCap: "u" },
  },
};

const packLines: Kernel = {
  name: "line_bits",
  source: bitsSource,
  bindings: { lines: "read", out: "write" },
  params: { rows: "u", first: "u", classes: "u", length: "u", words: "u" },
};

const findRuns: Kernel = {
  name: "line_runs",
  source: runsSource,
  bindings: { keys: "read", out: "write" },
  params: { heads: "u", lk: "u", keyClasses: "u" },
};

/** Workgroups that keep a large GPU busy. */
const ENOUGH = 2048;

/** `lineTiles` as dispatches: lines as bits, runs of keys, then the tiles. */
export function lineTiles(op: OpOf<"lineTiles">, context: Context): Dispatch[] {
  const { caps } = context;
  const { heads, queryHead, keyHead, queryClasses, keyClasses, lq, lk, length, blockQ, tileK } = op;
  const blocks = Math.ceil(lq / blockQ);
  const tileCap = op.tiles ? op.tileCap : Math.ceil(lk / tileK);
  const width = op.tiles ? tileCap * blockQ * Math.ceil(tileK / 32) : tileCap;
  if (lk * length * queryClasses * keyClasses === 0) return fillBits(caps, op.out, heads * blocks * width, 0);

  const queries = rowsOf(op.queries, 4 * (1 + keyClasses) * lq, 0, queryHead === 0 ? 1 : heads);
  const keyHeads = keyHead === 0 ? 1 : heads;
  const keys = rowsOf(op.keys, 8 * lk, 0, keyHeads);
  const runs = rowsOf(context.scratch(4 * keyHeads * lk), 4 * lk, 0, keyHeads);
  // A word more than the numbers need, so that a window of bits may begin in the last one.
  const words = Math.ceil(length / 32) + 1;
  const lineCount = heads * 3 * queryClasses * keyClasses;
  const bits = rowsOf(context.scratch(4 * lineCount * words), 4 * words, 0, lineCount);
  const widest = Math.max(queries.bytes, keys.bytes, bits.bytes);
  if (widest > caps.maxBinding) throw tooWide(caps, heads, widest / heads);

  const tile = ([first, end]: [number, number]): Dispatch => {
    const rows = end - first;
    const slices = Math.min(Math.ceil(width / THREADS), Math.ceil(ENOUGH / rows));
    const tiles = rowsOf(op.tiles, 4 * tileCap, first, end);
    return {
      kernel,
      constants: { THREADS, ...(op.tiles && { BITS: 1 }) },
      bind: [queries, keys, runs, bits, tiles, rowsOf(op.out, 4 * width, first, end)],
      params: {
        ...{ rows, first, blocks, slices, words, queryHead, keyHead, runHead: keyHead === 0 ? 0 : lk },
        ...{ queryClasses, keyClasses, lq, lk, length, blockQ, tileK, tileCap },
      },
      groups: op.tiles ? rows * slices : Math.ceil(rows * tileCap / THREADS),
    };
  };
  return [
    ...pack(op, caps, bits, words),
    {
      kernel: findRuns,
      constants: { THREADS },
      bind: [keys, runs],
      params: { heads: keyHeads, lk, keyClasses },
      groups: Math.ceil(keyHeads * lk / THREADS),
    },
    ...Array.from(chunksOf(caps, heads * blocks, [4 * tileCap, 4 * width]), tile),
  ];
}

/** Flags of lines to rows of `words` words. */
function pack(op: OpOf<"lineTiles">, caps: Caps, bits: Window, words: number): Dispatch[] {
  const { length } = op;
  const classes = op.queryClasses * op.keyClasses;
  return Array.from(chunksOf(caps, op.heads * 3 * classes, [4 * length, 4 * words]), ([first, end]) => ({
    kernel: packLines,
    constants: { THREADS },
    bind: [rowsOf(op.lines, 4 * length, first, end), rowsOf(bits.id, 4 * words, first, end)],
    params: { rows: end - first, first, classes, length, words },
    groups: Math.ceil((end - first) * words / THREADS),
  }));
}
