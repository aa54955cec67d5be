/**
 * The largest score of every query.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { DTYPE_CODE } from "../device/ops.ts";
import { use } from "../device/ops/_check.ts";
import { fill } from "../device/ops/fill.ts";
import type { Tensor } from "../device/tensor.ts";
import type { Plan } from "./plan.ts";
import { plannedFields } from "./planned_fields.ts";

/**
 * Finds the largest scaled score of every query among the keys that a sparse plan lists; values are not needed.
 *
 * @param d Receives the result.
 * @param q [heads, Lq, D].
 * @param k [Hkv, Lk, D].
 * @returns [heads, Lq]; -Infinity for a query that sees no key.
 */
export function rowMax(d: Device, q: Tensor, k: Tensor, plan: Plan, scale: number): Tensor {
  const { matrix, heads, lq, lk } = plan;
  const ids = { q: use(d, "rowMax", "q", q), k: use(d, "rowMax", "k", k) };
  if (!matrix) throw new TypeError("Cannot run rowMax: the plan is dense, expected one with lists");
  const stat = d.empty([heads, lq]);
  if (lk === 0) fill(d, stat, -Infinity);
  else if (stat.size > 0) {
    d.submit({
      op: "planned",
      ...ids,
      v: 0,
      plan: use(d, "rowMax", "plan", matrix, "i32"),
      bias: 0,
      out: 0,
      stat: stat.id,
      ...plannedFields(plan),
      kvHeads: k.shape[0]!,
      headDim: q.shape[2]!,
      kvtype: DTYPE_CODE.f32,
      statKind: 1,
      scale,
    });
  }
  return stat;
}
