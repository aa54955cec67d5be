/**
 * How densely a plan covers each cell of a raster, for pictures.
 *
 * @module
 */
import { visibleKeys } from "../device/reference/planned.ts";
import type { Plan } from "./plan.ts";
import { denseEnd, plannedFields } from "./planned_fields.ts";

/** Rows of one cell that are looked at; more would not be seen. */
const SAMPLES = 16;

/** A raster over queries (down) and keys (across). */
export interface Coverage {
  readonly rows: number;
  readonly cols: number;
  /** [rows, cols]: kept part of the pairs that dense attention sees; NaN where it sees none. */
  readonly cells: Float64Array;
}

/**
 * Rasters one head of a plan.
 *
 * @param size Most cells to a side; a plan of fewer tokens has a cell for each.
 */
export function coverage(plan: Plan, lists: Int32Array, head: number, size: number): Coverage {
  const { heads, lq, lk } = plan;
  if (!Number.isInteger(head) || head < 0 || head >= heads) {
    throw new RangeError(`Cannot draw head ${head}: the plan has heads 0 to ${heads - 1}`);
  }
  const [rows, cols] = [Math.min(size, lq), Math.min(size, lk)];
  const kept = new Float64Array(rows * cols);
  const all = new Float64Array(rows * cols);
  const fields = plannedFields(plan);
  const colOf = (key: number): number => Math.floor(key * cols / lk);
  for (const row of sampledRows(lq, rows)) {
    const seen = plan.kind === "dense" ? undefined : visibleKeys(lists, fields, head, row);
    const query = seen?.query ?? row;
    if (query < 0 || query >= lq) continue;
    const at = Math.floor(query * rows / lq) * cols;
    const end = denseEnd(plan, query);
    for (let col = 0; col < cols; col++) {
      const [from, to] = [Math.ceil(col * lk / cols), Math.ceil((col + 1) * lk / cols)];
      all[at + col]! += Math.max(0, Math.min(end, to) - from);
      if (!seen) kept[at + col] = all[at + col]!;
    }
    for (const key of seen?.keys ?? []) kept[at + colOf(key)]! += 1;
  }
  return { rows, cols, cells: kept.map((count, i) => count / all[i]!) };
}

/** All rows, or some of every cell, evenly spread. */
function sampledRows(lq: number, cells: number): number[] {
  const count = Math.min(lq, cells * SAMPLES);
  return Array.from({ length: count }, (_, n) => Math.floor((n + 0.5) * lq / count));
}
