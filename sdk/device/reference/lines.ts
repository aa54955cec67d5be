/**
 * Operations that turn scores of lines into lists, on the reference device.
 *
 * @module
 */
import type { OpOf } from "../ops.ts";
import type { Memory } from "./_memory.ts";

/** Sums over rows, by column and by distance. */
export function lineSums(memory: Memory, op: OpOf<"lineSums">): void {
  const { n, length } = op;
  const x = memory.f32(op.x);
  const starts = memory.i32(op.starts);
  const columns = memory.f32(op.columns);
  const diagonals = op.diagonals ? memory.f32(op.diagonals) : undefined;
  for (let b = 0; b < op.batch; b++) {
    const byColumn = new Float64Array(length);
    const byDistance = new Float64Array(length);
    for (let r = 0; r < n; r++) {
      for (let j = 0; j < length; j++) {
        const value = x[(b * n + r) * length + j]!;
        const distance = starts[r]! - j;
        byColumn[j]! += value;
        if (distance >= 0 && distance < length) byDistance[distance]! += value;
      }
    }
    columns.set(byColumn, b * length);
    diagonals?.set(byDistance, b * length);
  }
}

/** Ones at the indices of every row, zeros elsewhere. */
export function mark(memory: Memory, op: OpOf<"mark">): void {
  const index = memory.i32(op.index);
  const counts = op.counts ? memory.i32(op.counts) : undefined;
  const out = memory.f32(op.out).fill(0, 0, op.rows * op.cols);
  for (let r = 0; r < op.rows; r++) {
    const count = counts ? Math.min(op.k, counts[r]!) : op.k;
    for (let i = 0; i < count; i++) {
      const c = index[r * op.k + i]!;
      if (c >= 0 && c < op.cols) out[r * op.cols + c] = 1;
    }
  }
}

/** MInference's range merge. */
export function mergeLines(memory: Memory, op: OpOf<"mergeLines">): void {
  const { block, blocks, tileCap, columnCap } = op;
  const columns = memory.i32(op.columns);
  const diagonals = memory.i32(op.diagonals);
  const tiles = memory.i32(op.tiles).fill(-1);
  const lists = memory.i32(op.lists).fill(-1);
  for (let h = 0; h < op.heads; h++) {
    const own = upToFirstMinus(columns.subarray(h * op.columnCount, (h + 1) * op.columnCount));
    const distances = upToFirstMinus(diagonals.subarray(h * op.diagonalCount, (h + 1) * op.diagonalCount));
    for (let r = 0; r < blocks; r++) {
      const end = op.offset + block * (r + 1);
      const ends = distances.filter((d) => d < end).map((d) => Math.max(end - d, block));
      if (ends.length === 0) continue;
      let tile = (h * blocks + r) * tileCap;
      let list = (h * blocks + r) * columnCap;
      const [lastTile, lastList] = [tile + tileCap, list + columnCap];
      let [lo, hi] = [ends[0]! - block, ends[0]!];
      let column = 0;
      for (let n = 1; n <= ends.length; n++) {
        for (; column < own.length && own[column]! < hi; column++) {
          if (own[column]! < lo && list < lastList) lists[list++] = own[column]!;
        }
        const e = ends[n];
        if (e === undefined || e > hi + block) {
          for (let start = lo; start < hi && tile < lastTile; start += block) tiles[tile++] = start;
          if (e !== undefined) [lo, hi] = [e - block, e];
        } else if (e > hi) hi += block;
      }
    }
  }
}

/** Occupancy of tiles, or the bits of listed tiles, from lines. */
export function lineTiles(memory: Memory, op: OpOf<"lineTiles">): void {
  const { lq, lk, length, blockQ, tileK, queryClasses, keyClasses } = op;
  const queries = memory.i32(op.queries);
  const keys = memory.i32(op.keys);
  const lines = memory.f32(op.lines);
  const tiles = op.tiles ? memory.i32(op.tiles) : undefined;
  const out = memory.i32(op.out);
  const [blocks, words, across] = [Math.ceil(lq / blockQ), Math.ceil(tileK / 32), Math.ceil(lk / tileK)];
  const visible = (h: number, row: number, slot: number): boolean => {
    if (row >= lq || slot >= lk) return false;
    const query = h * op.queryHead + row;
    const a = queries[query]!;
    const b = keys[h * op.keyHead + slot]!;
    if (a < 0 || a >= queryClasses || b < 0 || b >= keyClasses) return false;
    const rank = keys[h * op.keyHead + lk + slot]!;
    const count = queries[query + (1 + b) * lq]!;
    if (rank < 0 || rank > count || count >= length) return false;
    const line = (kind: number, at: number): number =>
      lines[(((h * 3 + kind) * queryClasses + a) * keyClasses + b) * length + at]!;
    return line(0, rank) !== 0 || line(1, count - rank) !== 0 || line(2, count) !== 0;
  };
  out.fill(0);
  for (let h = 0; h < op.heads; h++) {
    for (let n = 0; n < blocks; n++) {
      for (let t = 0; t < (tiles ? op.tileCap : across); t++) {
        const at = (h * blocks + n) * (tiles ? op.tileCap : across) + t;
        const start = tiles ? tiles[at]! : t * tileK;
        if (start < 0) break;
        for (let r = 0; r < blockQ; r++) {
          for (let s = 0; s < tileK; s++) {
            if (!visible(h, n * blockQ + r, start + s)) continue;
            if (tiles) out[(at * blockQ + r) * words + (s >> 5)]! |= 1 << (s & 31);
            else out[at] = 1;
          }
        }
      }
    }
  }
}

function upToFirstMinus(list: Int32Array): Int32Array {
  const end = list.findIndex((value) => value < 0);
  return end < 0 ? list : list.subarray(0, end);
}
