/**
 * Attention by a plan on the reference device.
 *
 * @module
 */
import { NO_PART, type OpOf } from "../ops.ts";
import type { Memory } from "./_memory.ts";

/** Softmax over the slots that the plan lists; a slot that is listed twice counts twice, as on every device. */
export function planned(memory: Memory, op: OpOf<"planned">): void {
  const { headDim, lq, lk } = op;
  const q = memory.f32(op.q);
  const k = memory.reader(op.k, op.kvtype);
  const v = op.out ? memory.reader(op.v, op.kvtype) : undefined;
  const bias = op.bias ? memory.f32(op.bias) : undefined;
  const out = op.out ? memory.f32(op.out) : undefined;
  const stat = op.stat ? memory.f32(op.stat) : undefined;
  for (let h = 0; h < op.heads; h++) {
    const kvHead = Math.floor(h * op.kvHeads / op.heads);
    for (let row = 0; row < lq; row++) {
      const { query, keys } = visibleKeys(memory.i32(op.plan), op, h, row);
      if (query < 0 || query >= lq) continue;
      const qBase = (h * lq + query) * headDim;
      const scores = keys.map((key) => {
        let score = 0;
        for (let d = 0; d < headDim; d++) score += q[qBase + d]! * k((kvHead * lk + key) * headDim + d);
        return score * op.scale + (bias ? bias[kvHead * lk + key]! : 0);
      });
      const top = scores.reduce((a, b) => Math.max(a, b), -Infinity);
      const powers = scores.map((score) => top === -Infinity ? 0 : Math.exp(score - top));
      const sum = powers.reduce((a, b) => a + b, 0);
      if (stat) stat[h * lq + query] = op.statKind === 1 || top === -Infinity ? top : top + Math.log(sum);
      for (let d = 0; out && v && d < headDim; d++) {
        const mix = powers.reduce((all, p, n) => all + p * v((kvHead * lk + keys[n]!) * headDim + d), 0);
        out[qBase + d] = sum === 0 ? 0 : mix / sum;
      }
    }
  }
}

/** The fields that say how a plan's lists are read. */
export type PlannedLists = Omit<
  OpOf<"planned">,
  | ("op" | "q" | "k" | "v" | "plan" | "bias" | "out" | "stat")
  | ("heads" | "kvHeads" | "headDim" | "kvtype" | "statKind" | "scale")
>;

/** The query of a row of a plan and the keys that it sees, in the order of the lists. */
export function visibleKeys(
  plan: Int32Array,
  op: PlannedLists,
  h: number,
  row: number,
): { query: number; keys: number[] } {
  const { lq, lk, blockQ, tileK } = op;
  const base = h * op.planHead;
  const part = (at: number, i: number): number => plan[base + at + i]!;
  const query = op.qOrderAt === NO_PART ? row : part(op.qOrderAt, row);
  const position = query + lk - lq;
  const [sink, window] = op.bandAt === NO_PART ? [0, Infinity] : [part(op.bandAt, 0), part(op.bandAt, 1)];
  const keys: number[] = [];
  const see = (slot: number): void => {
    if (slot < 0 || slot >= lk) return;
    const key = op.kOrderAt === NO_PART ? slot : part(op.kOrderAt, slot);
    if (key < 0 || key >= lk || (op.causal && key > position)) return;
    if (key < sink || position - key < window) keys.push(key);
  };
  const block = Math.floor(row / blockQ);
  const words = Math.ceil(tileK / 32);
  for (let n = 0; op.tilesAt !== NO_PART && n < op.tileCap; n++) {
    const tile = part(op.tilesAt, block * op.tileCap + n);
    if (tile < 0) break;
    const bits = op.bitsAt + ((block * op.tileCap + n) * blockQ + row % blockQ) * words;
    for (let s = 0; s < tileK; s++) {
      if (op.bitsAt === NO_PART || (part(bits, s >> 5) >>> (s & 31)) & 1) see(tile + s);
    }
  }
  const list = op.columnOfAt === NO_PART ? -1 : part(op.columnOfAt, block);
  for (let n = 0; list >= 0 && list < op.lists && n < op.columnCap; n++) {
    const slot = part(op.columnsAt, list * op.columnCap + n);
    if (slot < 0) break;
    see(slot);
  }
  return { query, keys };
}
