/**
 * The keys of single queries of a plan.
 *
 * @module
 */
import { NO_PART } from "../device/ops.ts";
import { visibleKeys } from "../device/reference/planned.ts";
import { listsRecord } from "./expand_mask.ts";
import type { Plan } from "./plan.ts";

/**
 * Lists the keys of some queries, without a mask of all of them.
 *
 * @returns [heads][queries].
 * @throws RangeError if a query is out of range.
 */
export function keysOfQueries(plan: Plan, lists: Int32Array, queries: readonly number[]): Int32Array[][] {
  const { heads, lq, lk, causal, layout } = plan;
  for (const query of queries) {
    if (!Number.isInteger(query) || query < 0 || query >= lq) {
      throw new RangeError(`Cannot list the keys of query ${query}: the plan has queries 0 to ${lq - 1}`);
    }
  }
  if (plan.kind === "dense") {
    const end = (query: number): number => causal ? Math.max(0, Math.min(lk, query + lk - lq + 1)) : lk;
    return Array.from(
      { length: heads },
      () => queries.map((i) => Int32Array.from({ length: end(i) }, (_, j) => j)),
    );
  }
  const record = listsRecord(plan, lists);
  return Array.from({ length: heads }, (_, h) => {
    const order = layout.qOrderAt === NO_PART
      ? undefined
      : lists.subarray(h * record.planHead + layout.qOrderAt, h * record.planHead + layout.qOrderAt + lq);
    return queries.map((query) => {
      const row = order ? order.indexOf(query) : query;
      return Int32Array.from(row < 0 ? [] : visibleKeys(lists, record, h, row).keys);
    });
  });
}
