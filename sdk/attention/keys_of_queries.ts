/**
 * The keys of single queries of a plan.
 *
 * @module
 */
import { NO_PART } from "../device/ops.ts";
import { visibleKeys } from "../device/reference/planned.ts";
import type { Plan } from "./plan.ts";
import { denseEnd, plannedFields } from "./planned_fields.ts";

/**
 * Lists the keys of some queries, without a mask of all of them.
 *
 * @returns [heads][queries].
 * @throws RangeError if a query is out of range.
 */
export function keysOfQueries(plan: Plan, lists: Int32Array, queries: readonly number[]): Int32Array[][] {
  const { heads, lq, layout } = plan;
  for (const query of queries) {
    if (!Number.isInteger(query) || query < 0 || query >= lq) {
      throw new RangeError(`Cannot list the keys of query ${query}: the plan has queries 0 to ${lq - 1}`);
    }
  }
  if (plan.kind === "dense") {
    return Array.from(
      { length: heads },
      () => queries.map((i) => Int32Array.from({ length: denseEnd(plan, i) }, (_, j) => j)),
    );
  }
  const fields = plannedFields(plan);
  return Array.from({ length: heads }, (_, h) => {
    const order = layout.qOrderAt === NO_PART
      ? undefined
      : lists.subarray(h * fields.planHead + layout.qOrderAt, h * fields.planHead + layout.qOrderAt + lq);
    return queries.map((query) => {
      const row = order ? order.indexOf(query) : query;
      return Int32Array.from(row < 0 ? [] : visibleKeys(lists, fields, h, row).keys);
    });
  });
}
