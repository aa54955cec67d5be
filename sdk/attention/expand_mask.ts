/**
 * The mask of a plan.
 *
 * @module
 */
import { visibleKeys } from "../device/reference/planned.ts";
import type { Plan } from "./plan.ts";

/** What expansion needs of an operation's record. */
export function listsRecord(
  plan: Plan,
  lists: Int32Array,
): Parameters<typeof visibleKeys>[1] {
  const { heads, lq, lk, causal, blockQ, tileK, layout } = plan;
  return {
    ...layout,
    heads,
    kvHeads: heads,
    headDim: 0,
    lq,
    lk,
    planHead: planHeadOf(plan, lists.length),
    blockQ,
    tileK,
    kvtype: 0,
    causal: causal ? 1 : 0,
    statKind: 0,
  };
}

/** Elements between the lists of neighbouring heads. */
export function planHeadOf({ matrix, heads }: Plan, size: number): number {
  return matrix && matrix.shape[0] === heads && heads > 1 ? size / heads : 0;
}

/** Uint8Array [heads, lq, lk]: 1 where a query sees a key. */
export function expandMask(plan: Plan, lists: Int32Array): Uint8Array<ArrayBuffer> {
  const { heads, lq, lk, causal } = plan;
  const mask = new Uint8Array(heads * lq * lk);
  const record = listsRecord(plan, lists);
  for (let h = 0; h < heads; h++) {
    for (let row = 0; row < lq; row++) {
      if (plan.kind === "dense") {
        const base = (h * lq + row) * lk;
        mask.fill(1, base, base + (causal ? Math.max(0, Math.min(lk, row + lk - lq + 1)) : lk));
        continue;
      }
      const { query, keys } = visibleKeys(lists, record, h, row);
      for (const key of keys) mask[(h * lq + query) * lk + key] = 1;
    }
  }
  return mask;
}
