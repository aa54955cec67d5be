/**
 * Visible pairs of a plan, counted without expanding it.
 *
 * @module
 */
import { NO_PART } from "../device/ops.ts";
import { type PlannedLists, visibleKeys } from "../device/reference/planned.ts";
import type { Plan } from "./plan.ts";
import { denseEnd, plannedFields } from "./planned_fields.ts";

/** Visible pairs of every head as a fraction of those of dense attention; 0 where dense attention sees nothing. */
export function countVisible(plan: Plan, lists: Int32Array): Float64Array {
  const { heads, lq } = plan;
  let area = 0;
  for (let i = 0; i < lq; i++) area += denseEnd(plan, i);
  if (plan.kind === "dense") return new Float64Array(heads).fill(area > 0 ? 1 : 0);
  const fields = plannedFields(plan);
  const shared = fields.planHead === 0;
  const result = new Float64Array(heads);
  for (let h = 0; h < (shared ? Math.min(1, heads) : heads); h++) {
    result[h] = area > 0 ? countHead(plan, lists, fields, h) / area : 0;
  }
  return shared ? result.fill(result[0] ?? 0) : result;
}

function countHead(plan: Plan, lists: Int32Array, fields: PlannedLists, h: number): number {
  const { lq, lk, blockQ, tileK, causal, layout } = plan;
  let count = 0;
  if (layout.bitsAt !== NO_PART) {
    for (let row = 0; row < lq; row++) count += visibleKeys(lists, fields, h, row).keys.length;
    return count;
  }
  const base = h * fields.planHead;
  const part = (at: number, i: number): number => lists[base + at + i]!;
  const keyOf = (slot: number): number => layout.kOrderAt === NO_PART ? slot : part(layout.kOrderAt, slot);
  const [sink, window] = layout.bandAt === NO_PART
    ? [0, Infinity]
    : [part(layout.bandAt, 0), part(layout.bandAt, 1)];

  /** Pairs of the rows of block n with ascending keys. */
  const pairs = (n: number, keys: Int32Array): number => {
    let sum = 0;
    for (let row = n * blockQ; row < Math.min(lq, (n + 1) * blockQ); row++) {
      const position = (layout.qOrderAt === NO_PART ? row : part(layout.qOrderAt, row)) + lk - lq;
      const end = causal ? below(keys, position + 1) : keys.length;
      // Keys from the sink on and outside the window are not visible.
      const hidden = Math.min(end, below(keys, position - window + 1)) - Math.min(end, below(keys, sink));
      sum += end - Math.max(0, hidden);
    }
    return sum;
  };
  const columns = new Map<number, Int32Array>();
  const listOf = (list: number): Int32Array => {
    let keys = columns.get(list);
    if (!keys) {
      const start = base + layout.columnsAt + list * layout.columnCap;
      const all = lists.subarray(start, start + layout.columnCap);
      const end = all.findIndex((slot) => slot < 0);
      keys = all.slice(0, end < 0 ? all.length : end).filter((slot) => slot < lk).map(keyOf).sort();
      columns.set(list, keys);
    }
    return keys;
  };
  for (let n = 0; n < Math.ceil(lq / blockQ); n++) {
    for (let t = 0; layout.tilesAt !== NO_PART && t < layout.tileCap; t++) {
      const tile = part(layout.tilesAt, n * layout.tileCap + t);
      if (tile < 0) break;
      const length = Math.max(0, Math.min(tileK, lk - tile));
      const keys = Int32Array.from({ length }, (_, s) => keyOf(tile + s));
      if (layout.kOrderAt !== NO_PART) keys.sort();
      count += pairs(n, keys);
    }
    const list = layout.columnOfAt === NO_PART ? -1 : part(layout.columnOfAt, n);
    if (list >= 0 && list < layout.lists) count += pairs(n, listOf(list));
  }
  return count;
}

/** How many of ascending keys are below a limit. */
function below(keys: Int32Array, limit: number): number {
  let [low, high] = [0, keys.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (keys[middle]! < limit) low = middle + 1;
    else high = middle;
  }
  return low;
}
