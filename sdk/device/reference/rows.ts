/**
 * Reductions, selections and prefix sums of rows on the reference device.
 *
 * @module
 */
import { DTYPE_CODE, type OpOf, REDUCE_CODE } from "../ops.ts";
import type { Memory } from "./_memory.ts";

/** Means, sums or extremes of consecutive members. */
export function groupMean(memory: Memory, op: OpOf<"groupMean">): void {
  const { h, e, g } = op;
  const x = memory.f32(op.x);
  const counts = op.counts ? memory.i32(op.counts) : undefined;
  const out = memory.f32(op.out);
  const groups = Math.ceil(h / g);
  for (let r = 0; r < op.rows; r++) {
    const limit = counts ? Math.min(h, Math.max(0, counts[Math.floor(r / op.rowsPerCount)]!)) : h;
    for (let group = 0; group < groups; group++) {
      const begin = group * g;
      const members = Math.max(0, Math.min(begin + g, limit) - begin);
      const divisor = op.kind === REDUCE_CODE.sum ? 1 : counts || op.divisor === 1 ? Math.max(members, 1) : g;
      for (let c = 0; c < e; c++) {
        const values = Array.from({ length: members }, (_, m) => x[(r * h + begin + m) * e + c]!);
        out[(r * groups + group) * e + c] = members === 0
          ? 0
          : op.kind === REDUCE_CODE.max
          ? values.reduce((a, b) => Math.max(a, b))
          : op.kind === REDUCE_CODE.min
          ? values.reduce((a, b) => Math.min(a, b))
          : values.reduce((a, b) => a + b) / divisor;
      }
    }
  }
}

/** Sum, mean, maximum or minimum of every row. */
export function reduce(memory: Memory, op: OpOf<"reduce">): void {
  const x = memory.f32(op.x);
  const out = memory.f32(op.out);
  for (let r = 0; r < op.rows; r++) {
    const row = x.subarray(r * op.cols, (r + 1) * op.cols);
    if (op.kind <= 1) {
      const sum = row.reduce((total, value) => total + value, 0);
      out[r] = op.kind === 0 ? sum : sum / op.cols;
    } else {
      out[r] = row.reduce((best, value) => op.kind === 2 ? Math.max(best, value) : Math.min(best, value));
    }
  }
}

/** The k largest of every row, lower index first among equals; NaN is below all numbers. */
export function topk(memory: Memory, op: OpOf<"topk">): void {
  const x = memory.f32(op.x);
  const values = memory.f32(op.values);
  const indices = memory.i32(op.indices);
  for (let r = 0; r < op.rows; r++) {
    const row = x.subarray(r * op.cols, (r + 1) * op.cols);
    const order = Array.from(row.keys()).sort((a, b) => falling(row[a]!, row[b]!) || a - b);
    for (let i = 0; i < op.k; i++) {
      values[r * op.k + i] = row[order[i]!]!;
      indices[r * op.k + i] = order[i]!;
    }
  }
}

/** Order of two numbers in a falling row, NaN last. */
function falling(a: number, b: number): number {
  return Number(Number.isNaN(a)) - Number(Number.isNaN(b)) || Number(a < b) - Number(a > b);
}

/** Prefix sums of every row, without the element itself where `exclusive`; integers wrap. */
export function scan(memory: Memory, op: OpOf<"scan">): void {
  const whole = op.dtype === DTYPE_CODE.i32;
  const x = whole ? memory.i32(op.x) : memory.f32(op.x);
  const out = whole ? memory.i32(op.out) : memory.f32(op.out);
  for (let r = 0; r < op.rows; r++) {
    let sum = 0;
    for (let at = r * op.cols; at < (r + 1) * op.cols; at++) {
      const before = sum;
      sum = whole ? (sum + x[at]!) | 0 : sum + x[at]!;
      out[at] = op.exclusive ? before : sum;
    }
  }
}

/** The first columns of every row that are not 0, then -1; and how many were written. */
export function compact(memory: Memory, op: OpOf<"compact">): void {
  const { cols, capacity } = op;
  const x = memory.i32(op.x);
  const out = memory.i32(op.out);
  const counts = memory.i32(op.counts);
  for (let r = 0; r < op.rows; r++) {
    let count = 0;
    for (let c = 0; c < cols && count < capacity; c++) {
      if (x[r * cols + c] !== 0) out[r * capacity + count++] = c * op.step;
    }
    out.fill(-1, r * capacity + count, (r + 1) * capacity);
    counts[r] = count;
  }
}
