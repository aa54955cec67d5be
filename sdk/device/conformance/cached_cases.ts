/**
 * Cases of attention, scores and copies of cached rows.
 *
 * @module
 */
import type { Random } from "../../testing/random.ts";
import type { Device } from "../device.ts";
import {
  type CachedRows,
  type Decoded,
  decodeRows,
  type DecodeRowsOptions,
  full,
  readRows,
  type RowForm,
  scoreRows,
} from "../ops/mod.ts";
import type { Tensor } from "../tensor.ts";
import { pagedRows, randomRows, type RowsShape } from "./_cached_inputs.ts";
import type { ConformanceCase } from "./case.ts";

/** Rows, and how many query heads share a key head. */
type Sizes = RowsShape & { readonly shared: number };

/** Rows of every form: `group` is for int8 and int4. */
const sizes = (
  forms: readonly RowForm[],
  [kvHeads, shared, headDim]: readonly [number, number, number],
  rows: number,
  { first = 0, group = headDim }: { first?: number; group?: number } = {},
): readonly Sizes[] =>
  forms.map((form) => ({
    form,
    kvHeads,
    shared,
    headDim,
    rows,
    first,
    group: formGroup(form, group, headDim),
  }));

const formGroup = (form: RowForm, group: number, headDim: number): number =>
  form === "int8" || form === "int4" ? group : headDim;

const ALL: readonly RowForm[] = ["f32", "f16", "int8", "int4", "bitmap"];
const PLAIN: readonly RowForm[] = ["f32", "f16", "int8", "int4"];

const DECODE_SIZES: readonly Sizes[] = [
  ...sizes(PLAIN, [2, 2, 32], 1, { group: 16 }),
  ...sizes(["f32", "f16"], [2, 3, 20], 77, { first: 5 }),
  ...sizes(ALL, [2, 1, 64], 0),
  ...sizes(ALL, [2, 1, 64], 1, { first: 63 }),
  ...sizes(ALL, [3, 4, 64], 63, { group: 32 }),
  ...sizes(ALL, [2, 4, 64], 64, { first: 64, group: 16 }),
  ...sizes(ALL, [1, 8, 128], 200, { first: 37 }),
  ...sizes(ALL, [1, 2, 128], 1000, { group: 32 }),
  ...sizes(["bitmap"], [2, 1, 256], 130),
  ...sizes(["bitmap"], [1, 3, 512], 70, { first: 64 }),
];

const nameOf = ({ form, kvHeads, shared, headDim, rows, first, group }: Sizes): string =>
  `${form} rows, ${kvHeads * shared}/${kvHeads} heads of ${headDim}` +
  `${group === headDim ? "" : ` in groups of ${group}`}, ${rows} from ${first}`;

/** Lists of a random half of the tokens and beyond, one of them twice; the first one is empty if there are several. */
function randomLists(d: Device, random: Random, lists: number, total: number, step: number): Tensor {
  const entries = Math.ceil(total / step) + 3;
  const cap = (entries >> 1) + 3;
  const list = Array.from({ length: lists }, (_, n) => {
    const some = random.shuffle(Array.from({ length: entries }, (_, e) => e)).slice(0, cap - 3);
    // What follows the first -1 does not count.
    return n === 0 && lists > 1 ? [-1, ...new Array(cap - 1).fill(0)] : [...some, some[0] ?? 0, -1, 1];
  });
  return d.tensor(Int32Array.from(list.flat()), [lists, cap]);
}

const decodeCases: readonly ConformanceCase[] = DECODE_SIZES.map((s) => ({
  name: `decodeRows() of ${nameOf(s)}`,
  run: (d: Device, random: Random): Record<string, Tensor> => {
    const { kvHeads, headDim } = s;
    const heads = kvHeads * s.shared;
    const total = s.first! + s.rows + 9;
    const q = d.tensor(random.normals(heads * headDim), [heads, headDim]);
    const rows = randomRows(d, random, s);
    const results: Record<string, Tensor> = {};
    const add = (name: string, options: Partial<DecodeRowsOptions>, from: CachedRows = rows): Decoded => {
      const result = decodeRows(d, q, from, { total, ...options });
      results[name] = result.out;
      results[`${name} lse`] = result.lse;
      return result;
    };
    const list = (lists: number, step: number): { list: Tensor; step: number } => ({
      list: randomLists(d, random, lists, total, step),
      step,
    });
    const band = d.tensor(random.ints(kvHeads * 2, 0, Math.max(2, total >> 1)), [kvHeads, 2]);
    add("all", {});
    add("scaled", { scale: 0.3 });
    add("one list", list(1, 1));
    add("one list of 16", list(1, 16));
    add("lists by key head", list(kvHeads, 16));
    add("lists by head", list(heads, 1));
    add("no entries", { list: d.tensor(new Int32Array(0), [1, 0]) });
    add("band", { band });
    add("list and band", { ...list(kvHeads, 5), band });
    const into = add("merged", list(heads, 3));
    // One head has read nothing before the first of these and reads nothing in the second.
    add("merged", { into });
    add("merged", { ...list(heads, 2), into });
    for (const page of [16, 64]) {
      const paged = pagedRows(d, random, s, page);
      add(`pages of ${page}`, {}, paged);
      add(`list and band in pages of ${page}`, { ...list(kvHeads, 16), band }, paged);
    }
    const pages = Math.ceil(s.rows / 16);
    const table = d.tensor(random.ints(kvHeads * (pages + 1), -1, Math.max(1, pages)), [kvHeads, pages + 1]);
    add("pages of every head", {}, { ...rows, table, page: 16 });
    return results;
  },
}));

const longCases: readonly ConformanceCase[] = sizes(ALL, [1, 4, 64], 3000, { group: 32 }).map((s) => ({
  name: `decodeRows() of many ${nameOf(s)}`,
  run: (d, random): Record<string, Tensor> => {
    const q = d.tensor(random.normals(4 * 64), [4, 64]);
    const rows = randomRows(d, random, s);
    const list = randomLists(d, random, 4, 3000, 1);
    const { out, lse } = decodeRows(d, q, rows, { total: 3000 });
    const some = decodeRows(d, q, rows, { total: 3000, list });
    return { out, lse, some: some.out, someLse: some.lse };
  },
}));

const SCORE_SIZES: readonly Sizes[] = [
  ...sizes(PLAIN, [1, 1, 8], 1),
  ...sizes(PLAIN, [2, 3, 16], 63),
  ...sizes(PLAIN, [4, 1, 24], 130, { group: 8 }),
  ...sizes(["f32", "f16"], [2, 2, 33], 77),
  ...sizes(PLAIN, [3, 2, 64], 0),
  ...sizes(PLAIN, [2, 4, 64], 201, { group: 16 }),
  ...sizes(PLAIN, [1, 8, 128], 1000, { group: 32 }),
];

const scoreCases: readonly ConformanceCase[] = SCORE_SIZES.map((s) => ({
  name: `scoreRows() of ${nameOf(s)}`,
  run: (d: Device, random: Random): Record<string, Tensor> => {
    const heads = s.kvHeads * s.shared;
    const q = d.tensor(random.normals(heads * s.headDim), [heads, s.headDim]);
    const keys = randomRows(d, random, s);
    const out = full(d, [heads, s.rows + 5], 7);
    return { scores: scoreRows(d, q, keys), wide: scoreRows(d, q, keys, { scale: 0.125, out }) };
  },
}));

const READ_SIZES: readonly Sizes[] = [
  ...sizes(PLAIN, [1, 1, 8], 1),
  ...sizes(["f32", "f16"], [3, 1, 21], 50),
  ...sizes(ALL, [2, 1, 64], 70, { group: 16 }),
  ...sizes(ALL, [2, 1, 128], 128),
];

const readCases: readonly ConformanceCase[] = READ_SIZES.map((s) => ({
  name: `readRows() of ${nameOf(s)}`,
  run: (d: Device, random: Random): Record<string, Tensor> => {
    const rows = randomRows(d, random, s);
    const paged = pagedRows(d, random, s, 16);
    const from = s.rows >> 1;
    return {
      keys: readRows(d, rows, "k"),
      values: readRows(d, rows, "v"),
      lastKeys: readRows(d, rows, "k", from),
      someValues: readRows(d, rows, "v", from, (s.rows - from) >> 1),
      pagedKeys: readRows(d, paged, "k"),
      pagedValues: readRows(d, paged, "v", from, s.rows - from),
    };
  },
}));

/** All cases of this file. */
export const cachedCases: readonly ConformanceCase[] = [
  ...decodeCases,
  ...longCases,
  ...scoreCases,
  ...readCases,
];
