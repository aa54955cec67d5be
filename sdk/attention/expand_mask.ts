/**
 * The mask of a plan.
 *
 * @module
 */
import { visibleKeys } from "../device/reference/planned.ts";
import type { Plan } from "./plan.ts";
import { denseEnd, plannedFields } from "./planned_fields.ts";

/** Uint8Array [heads, lq, lk]: 1 where a query sees a key. */
export function expandMask(plan: Plan, lists: Int32Array): Uint8Array<ArrayBuffer> {
  const { heads, lq, lk } = plan;
  const mask = new Uint8Array(heads * lq * lk);
  const fields = plannedFields(plan);
  for (let h = 0; h < heads; h++) {
    for (let row = 0; row < lq; row++) {
      if (plan.kind === "dense") {
        const base = (h * lq + row) * lk;
        mask.fill(1, base, base + denseEnd(plan, row));
        continue;
      }
      const { query, keys } = visibleKeys(lists, fields, h, row);
      for (const key of keys) mask[(h * lq + query) * lk + key] = 1;
    }
  }
  return mask;
}
