/**
 * What a plan decides of the operation that executes it.
 *
 * @module
 */
import type { OpOf } from "../device/ops.ts";
import type { PlannedLists } from "../device/reference/planned.ts";
import type { Plan } from "./plan.ts";

/** The fields of `planned` that follow from a plan alone. */
export function plannedFields(plan: Plan): PlannedLists & Pick<OpOf<"planned">, "heads"> {
  const { heads, lq, lk, causal, blockQ, tileK, layout, matrix } = plan;
  // A matrix of one row is shared by all heads.
  const planHead = matrix && heads > 1 && matrix.shape[0] === heads ? matrix.shape[1]! : 0;
  return { heads, lq, lk, planHead, blockQ, tileK, ...layout, causal: causal ? 1 : 0 };
}

/** How many keys, the first ones, dense attention of the plan's sizes shows to a query. */
export function denseEnd({ lq, lk, causal }: Plan, query: number): number {
  return causal ? Math.max(0, Math.min(lk, query + lk - lq + 1)) : lk;
}
