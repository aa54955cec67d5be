/**
 * What holds for the lists of every plan.
 *
 * @module
 */
import { NO_PART } from "../device/ops.ts";
import type { Plan } from "./plan.ts";
import { plannedFields } from "./planned_fields.ts";

/**
 * Refuses lists that attention would compute wrongly or in vain.
 *
 * @throws RangeError that names the head, the row block and the entry.
 */
export function checkLists(plan: Plan, lists: Int32Array): void {
  if (plan.kind === "dense") return;
  const { heads, lq, lk, blockQ, tileK, causal, layout } = plan;
  const { planHead } = plannedFields(plan);
  const seen = new Int32Array(lk).fill(-1);
  let visit = 0;
  for (let h = 0; h < (planHead === 0 ? Math.min(1, heads) : heads); h++) {
    const base = h * planHead;
    const part = (at: number, i: number): number => lists[base + at + i]!;
    const fail = (what: string): never => {
      throw new RangeError(`Cannot use this plan: ${what} of head ${h}`);
    };
    for (
      const [name, at, length] of [["qOrder", layout.qOrderAt, lq], ["kOrder", layout.kOrderAt, lk]] as const
    ) {
      if (at !== NO_PART) checkPermutation(lists.subarray(base + at, base + at + length), name, fail);
    }
    for (let n = 0; n < Math.ceil(lq / blockQ); n++) {
      visit++;
      const fail = (what: string): never => {
        throw new RangeError(`Cannot use this plan: ${what} in row block ${n} of head ${h}`);
      };
      const see = (slot: number): void => {
        if (seen[slot] === visit) fail(`slot ${slot} is listed twice`);
        seen[slot] = visit;
      };
      const last = Math.min(lq, (n + 1) * blockQ) - 1 + lk - lq;
      const straight = layout.qOrderAt === NO_PART && layout.kOrderAt === NO_PART;
      let before = -1;
      for (let t = 0; layout.tilesAt !== NO_PART && t < layout.tileCap; t++) {
        const tile = part(layout.tilesAt, n * layout.tileCap + t);
        if (tile === -1) break;
        if (tile < 0 || tile >= lk) fail(`tile ${tile} is out of range, expected 0 to ${lk - 1}`);
        if (tile <= before) fail(`tile ${tile} comes after tile ${before}, expected ascending tiles`);
        if (causal && straight && tile > last) {
          fail(`tile ${tile} begins after the last query, which is at position ${last}`);
        }
        for (let slot = tile; slot < Math.min(lk, tile + tileK); slot++) see(slot);
        before = tile;
      }
      const list = layout.columnOfAt === NO_PART ? -1 : part(layout.columnOfAt, n);
      if (list < -1 || list >= layout.lists && list >= 0) {
        fail(`column list ${list} is out of range, expected -1 to ${layout.lists - 1}`);
      }
      before = -1;
      for (let c = 0; list >= 0 && c < layout.columnCap; c++) {
        const slot = part(layout.columnsAt, list * layout.columnCap + c);
        if (slot === -1) break;
        if (slot < 0 || slot >= lk) fail(`column ${slot} is out of range, expected 0 to ${lk - 1}`);
        if (slot < before) fail(`column ${slot} comes after column ${before}, expected ascending columns`);
        see(slot);
        before = slot;
      }
    }
  }
}

function checkPermutation(order: Int32Array, name: string, fail: (what: string) => never): void {
  const seen = new Uint8Array(order.length);
  for (const at of order) {
    if (at < 0 || at >= order.length) {
      fail(`${name} has entry ${at}, expected a permutation of 0 to ${order.length - 1},`);
    }
    if (seen[at]) fail(`${name} has entry ${at} twice, expected a permutation,`);
    seen[at] = 1;
  }
}
