/**
 * Cases of attention by plans: random lists, orders, bands and bits.
 *
 * @module
 */
import { attention } from "../../attention/attention.ts";
import { planOf, type PlanParts } from "../../attention/plan.ts";
import { rowMax } from "../../attention/row_max.ts";
import type { Random } from "../../testing/random.ts";
import type { Device } from "../device.ts";
import { cast } from "../ops/cast.ts";
import type { Tensor } from "../tensor.ts";
import type { ConformanceCase } from "./case.ts";

interface Sizes {
  readonly heads: number;
  readonly group: number;
  readonly headDim: number;
  readonly lq: number;
  readonly lk: number;
  readonly blockQ: number;
  readonly tileK: number;
  readonly causal: boolean;
}

const size = (
  heads: number,
  group: number,
  headDim: number,
  [lq, lk]: readonly [number, number],
  [blockQ, tileK]: readonly [number, number],
  causal = true,
): Sizes => ({ heads, group, headDim, lq, lk, blockQ, tileK, causal });

const SIZES: readonly Sizes[] = [
  size(1, 1, 1, [1, 1], [1, 1]),
  size(2, 1, 5, [7, 7], [4, 4]),
  size(4, 2, 16, [40, 40], [16, 16]),
  size(2, 2, 33, [65, 65], [64, 64]),
  size(6, 3, 64, [150, 150], [64, 64]),
  size(8, 8, 32, [30, 200], [16, 32]),
  size(3, 1, 128, [130, 130], [128, 128]),
  size(2, 1, 256, [70, 90], [64, 64]),
  size(2, 1, 64, [200, 150], [64, 64]),
  size(4, 1, 24, [50, 77], [1, 16], false),
  size(4, 4, 48, [90, 90], [32, 40], false),
];

/** Sorted starts of tiles that do not overlap, each kept or left out; the rest of the slots, some of them as columns. */
function lists(random: Random, s: Sizes, block: number): { tiles: number[]; columns: number[] } {
  const last = s.causal ? Math.min(s.lq, (block + 1) * s.blockQ) - 1 + s.lk - s.lq : s.lk - 1;
  const tiles: number[] = [];
  const columns: number[] = [];
  for (let slot = random.int(0, 3); slot <= last;) {
    const draw = random.int(0, 4);
    if (draw === 0) {
      tiles.push(slot);
      slot += s.tileK;
    } else if (draw === 1) columns.push(slot++);
    else slot += random.int(1, 9);
  }
  return { tiles, columns };
}

function padded(rows: readonly (readonly number[])[], width: number): Int32Array<ArrayBuffer> {
  return Int32Array.from(rows.flatMap((row) => [...row, ...new Array(width - row.length).fill(-1)]));
}

/** Random lists for `heads` heads; some blocks have none. */
function randomLists(d: Device, random: Random, s: Sizes, heads: number): PlanParts {
  const blocks = Math.ceil(s.lq / s.blockQ);
  const all = Array.from(
    { length: heads * blocks },
    (_, n) => random.int(0, 6) === 0 ? { tiles: [], columns: [] } : lists(random, s, n % blocks),
  );
  const widest = (name: "tiles" | "columns"): number => Math.max(1, ...all.map((one) => one[name].length));
  const [tileCap, columnCap] = [widest("tiles"), widest("columns")];
  return {
    tiles: d.tensor(padded(all.map((one) => one.tiles), tileCap), [heads, blocks, tileCap]),
    columns: d.tensor(padded(all.map((one) => one.columns), columnCap), [heads, blocks, columnCap]),
  };
}

const order = (d: Device, random: Random, heads: number, length: number): Tensor =>
  d.tensor(
    Int32Array.from(
      Array.from({ length: heads }, () => random.shuffle(Array.from({ length }, (_, i) => i))).flat(),
    ),
    [heads, length],
  );

const cases: readonly ConformanceCase[] = SIZES.map((s) => ({
  name: `attention() by plans, ${s.heads}/${s.heads / s.group} heads of ${s.headDim}, ${s.lq} x ${s.lk} in ` +
    `${s.blockQ} x ${s.tileK}${s.causal ? ", causal" : ""}`,
  run: (d: Device, random: Random): Record<string, Tensor> => {
    const kvHeads = s.heads / s.group;
    const q = d.tensor(random.normals(s.heads * s.lq * s.headDim), [s.heads, s.lq, s.headDim]);
    const k = d.tensor(random.normals(kvHeads * s.lk * s.headDim), [kvHeads, s.lk, s.headDim]);
    const v = d.tensor(random.normals(kvHeads * s.lk * s.headDim), [kvHeads, s.lk, s.headDim]);
    const own = randomLists(d, random, s, s.heads);
    const shared = randomLists(d, random, s, 1);
    const results: Record<string, Tensor> = {};
    const add = (name: string, parts: PlanParts, bias?: Tensor): void => {
      const plan = planOf(d, s, parts, bias);
      const { out, lse } = attention(d, q, k, v, { plan, lse: true });
      results[name] = out;
      results[`${name} lse`] = lse;
    };
    const tileCap = own.tiles!.shape[2]!;
    const words = Math.ceil(s.tileK / 32);
    const blocks = Math.ceil(s.lq / s.blockQ);
    add("own", own);
    add("shared", shared);
    add("tiles", { tiles: own.tiles });
    add("columns of one list", {
      columns: d.tensor(Int32Array.of(0, ...(s.lk > 3 ? [2, s.lk - 1] : [])), [1, 1, s.lk > 3 ? 3 : 1]),
    });
    add("columns by group", {
      columns: own.columns,
      columnOf: d.tensor(random.ints(s.heads * blocks, -1, blocks), [s.heads, blocks]),
    });
    add("orders", { ...own, qOrder: order(d, random, 1, s.lq), kOrder: order(d, random, s.heads, s.lk) });
    const bands = random.ints(s.heads * 2, 0, Math.max(2, s.lk >> 1));
    add("band", { ...shared, band: d.tensor(bands, [s.heads, 2]) });
    add("bits", {
      ...own,
      bits: d.tensor(random.ints(s.heads * blocks * tileCap * s.blockQ * words, -(2 ** 31), 2 ** 31), [
        s.heads,
        blocks,
        tileCap,
        s.blockQ,
        words,
      ]),
    });
    add("bias", own, d.tensor(random.normals(kvHeads * s.lk, 2), [kvHeads, s.lk]));
    add("nothing", {});
    results.halves = attention(d, q, cast(d, k, "f16"), cast(d, v, "f16"), { plan: planOf(d, s, own) }).out;
    results.max = rowMax(d, q, k, planOf(d, s, { ...shared, band: d.tensor(bands, [s.heads, 2]) }), 0.25);
    return results;
  },
}));

/** All cases of this file. */
export const planCases: readonly ConformanceCase[] = [
  ...cases,
  {
    name: "attention() by a plan with entries out of range",
    run: (d, random): Record<string, Tensor> => {
      const x = d.tensor(random.normals(2 * 20 * 8), [2, 20, 8]);
      const shape = { heads: 2, lq: 20, lk: 20, causal: false, blockQ: 10, tileK: 8 };
      const plan = planOf(d, shape, {
        tiles: d.tensor(Int32Array.of(16, 1000, 2 ** 31 - 1, 0, 25, -1), [1, 2, 3]),
        columns: d.tensor(Int32Array.of(3, 20, 1 << 30, 12, -7, 5), [1, 2, 3]),
        columnOf: d.tensor(Int32Array.of(0, 7), [1, 2]),
        kOrder: d.tensor(Int32Array.from({ length: 20 }, (_, i) => i % 5 === 0 ? i * 1000 : i), [1, 20]),
      });
      return { out: attention(d, x, x, x, { plan }).out };
    },
  },
];
