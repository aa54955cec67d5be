/**
 * Rows of a cache in every form on the reference device.
 *
 * @module
 */
import { DTYPE_CODE, FORM, type OpOf } from "../ops.ts";
import type { Memory } from "./_memory.ts";

/** Reads column c of the row at a place of head g. */
type Read = (g: number, place: number, c: number) => number;

/** How the rows of an operation are read; `kind` 0 are keys, 1 values. */
interface Rows {
  readonly data: number;
  readonly meta: number;
  readonly head: number;
  readonly metaAt: number;
  readonly metaHead: number;
  readonly form: number;
  readonly group: number;
  readonly headDim: number;
  readonly kind: number;
}

function reader(memory: Memory, rows: Rows): Read {
  const { form, headDim, head, metaAt, metaHead, group } = rows;
  if (form === FORM.bitmap) return bitmapReader(memory, rows);
  if (form === FORM.f32 || form === FORM.f16) {
    const read = memory.reader(rows.data, form === FORM.f32 ? DTYPE_CODE.f32 : DTYPE_CODE.f16);
    return (g, place, c) => read(g * head + place * headDim + c);
  }
  const codes = memory.u8(rows.data);
  const meta = memory.f32(rows.meta);
  return (g, place, c) => {
    const at = g * head + place * headDim + c;
    const code = form === FORM.int8 ? codes[at]! : codes[at >> 1]! >> (at & 1) * 4 & 15;
    const pair = metaAt + g * metaHead + 2 * (place * (headDim / group) + Math.floor(c / group));
    return meta[pair + 1]! + code * meta[pair]!;
  };
}

function bitmapReader(memory: Memory, rows: Rows): Read {
  const data = memory.reader(rows.data, DTYPE_CODE.f16);
  const meta = memory.i32(rows.meta);
  return (g, place, c) => {
    const [block, row] = [Math.floor(place / 64), place % 64];
    const [tile, element] = rows.kind === 0 ? [c, row] : [c - c % 64 + row, c % 64];
    const at = rows.metaAt + g * rows.metaHead + 3 * (block * rows.headDim + tile);
    const [word, e] = [meta[at + (element >> 5)]!, element % 32];
    if ((word << e) >= 0) return 0;
    const before = (element < 32 ? 0 : ones(meta[at]!)) + (e === 0 ? 0 : ones(word >>> (32 - e)));
    return data(g * rows.head + 2 * meta[at + 2]! + before);
  };
}

/** How many bits of a word are set. */
function ones(word: number): number {
  let count = 0;
  for (let rest = word; rest !== 0; rest &= rest - 1) count++;
  return count;
}

/** Where row r of head g lies, below 0 if it is missing. */
function placer(
  memory: Memory,
  op: { readonly table: number; readonly tableHead: number; readonly page: number },
): (g: number, row: number) => number {
  if (!op.table) return (_, row) => row;
  const table = memory.i32(op.table);
  return (g, row) => {
    const page = table[g * op.tableHead + Math.floor(row / op.page)]!;
    return page < 0 ? -1 : page * op.page + row % op.page;
  };
}

/** Attention of one query token over the rows that it reads. */
export function decode(memory: Memory, op: OpOf<"decode">): void {
  const { headDim } = op;
  const q = memory.f32(op.q);
  const key = reader(memory, { ...op, data: op.k, head: op.kHead, metaAt: op.kMetaAt, kind: 0 });
  const value = reader(memory, { ...op, data: op.v, head: op.vHead, metaAt: op.vMetaAt, kind: 1 });
  const placeOf = placer(memory, op);
  const out = memory.f32(op.out);
  const lse = memory.f32(op.lse);
  for (let h = 0; h < op.heads; h++) {
    const g = Math.floor(h * op.kvHeads / op.heads);
    const places = tokensOf(memory, op, h, g).map((t) => placeOf(g, t - op.first)).filter((p) => p >= 0);
    const scores = places.map((place) => {
      let score = 0;
      for (let c = 0; c < headDim; c++) score += q[h * headDim + c]! * key(g, place, c);
      return score * op.scale;
    });
    // What other tokens gave counts as one more token with their log-sum-exp as its score.
    const before = op.merge ? lse[h]! : -Infinity;
    const top = scores.reduce((a, b) => Math.max(a, b), before);
    const powers = scores.map((score) => top === -Infinity ? 0 : Math.exp(score - top));
    const share = before === -Infinity ? 0 : Math.exp(before - top);
    const sum = powers.reduce((a, b) => a + b, share);
    lse[h] = sum === 0 ? -Infinity : top + Math.log(sum);
    for (let c = 0; c < headDim; c++) {
      const i = h * headDim + c;
      const mix = powers.reduce((all, p, n) => all + p * value(g, places[n]!, c), share && share * out[i]!);
      out[i] = sum === 0 ? 0 : mix / sum;
    }
  }
}

/** The tokens that head h reads, a missing page aside: named, among the rows and inside the band. */
function tokensOf(memory: Memory, op: OpOf<"decode">, h: number, g: number): number[] {
  const band = op.band ? memory.i32(op.band) : undefined;
  const tokens: number[] = [];
  const see = (t: number): void => {
    if (t < op.first || t >= op.first + op.rows) return;
    if (!band || t < band[2 * g]! || op.total - 1 - t < band[2 * g + 1]!) tokens.push(t);
  };
  if (!op.list) {
    for (let t = op.first; t < op.first + op.rows; t++) see(t);
    return tokens;
  }
  const list = memory.i32(op.list);
  const at = Math.floor(h * op.lists / op.heads) * op.listCap;
  for (let n = 0; n < op.listCap && list[at + n]! >= 0; n++) {
    for (let s = 0; s < op.step; s++) see(list[at + n]! * op.step + s);
  }
  return tokens;
}

/** Products of queries and key rows. */
export function scoreRows(memory: Memory, op: OpOf<"scoreRows">): void {
  const q = memory.f32(op.q);
  const key = reader(memory, { ...op, data: op.k, head: op.kHead, metaAt: 0, kind: 0 });
  const out = memory.f32(op.out);
  for (let h = 0; h < op.heads; h++) {
    const g = Math.floor(h * op.kvHeads / op.heads);
    for (let r = 0; r < op.rows; r++) {
      let score = 0;
      for (let c = 0; c < op.headDim; c++) score += q[h * op.headDim + c]! * key(g, r, c);
      out[h * op.outHead + r] = score * op.scale;
    }
  }
}

/** Rows as plain numbers. */
export function readRows(memory: Memory, op: OpOf<"readRows">): void {
  const read = reader(memory, { ...op, data: op.k, head: op.kHead, metaAt: op.kMetaAt });
  const placeOf = placer(memory, op);
  const out = memory.f32(op.out);
  for (let g = 0; g < op.heads; g++) {
    for (let r = 0; r < op.count; r++) {
      const place = placeOf(g, op.first + r);
      for (let c = 0; c < op.headDim; c++) {
        out[(g * op.count + r) * op.headDim + c] = place < 0 ? 0 : read(g, place, c);
      }
    }
  }
}
