import { describe, test } from "node:test";
import { assertEquals, assertLess, assertThrows } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import {
  assertDense,
  assertMask,
  type Case,
  DEVICES,
  type Heads,
  heavyKeys,
  keys,
  maskOf,
  queries,
  randomHeads,
  scoreOf,
} from "./_test_heads.ts";
import { pbsAttn, type PbsAttnOptions } from "./pbs_attn.ts";

const CASES: readonly Case<PbsAttnOptions>[] = [
  {
    title: "whole segments",
    sizes: [2, 1, 64, 64, 8],
    options: { blockSize: 4, segmentSize: 16, threshold: 0.5 },
  },
  { title: "tail and partial block", sizes: [4, 2, 75, 75, 5], options: { blockSize: 4, segmentSize: 16 } },
  {
    title: "8 heads on one key head",
    sizes: [8, 1, 50, 50, 3],
    options: { blockSize: 3, segmentSize: 6, threshold: 0.7 },
  },
  {
    title: "segments of one block",
    sizes: [1, 1, 61, 61, 7],
    options: { blockSize: 5, segmentSize: 5, threshold: 0.6 },
  },
  {
    title: "no first block",
    sizes: [2, 2, 60, 60, 4],
    options: { blockSize: 4, segmentSize: 8, threshold: 0.3, forceFirstBlock: false },
  },
  {
    title: "one block per row",
    sizes: [2, 2, 60, 60, 4],
    options: { blockSize: 4, segmentSize: 8, threshold: 0 },
  },
  {
    title: "shared order",
    sizes: [4, 2, 66, 66, 4],
    options: { blockSize: 4, segmentSize: 16, threshold: 0.6, sharePermutation: "kv" },
  },
  {
    title: "no order",
    sizes: [4, 2, 66, 66, 4],
    options: { blockSize: 4, segmentSize: 16, threshold: 0.6, permute: false },
  },
  {
    title: "more keys than queries",
    sizes: [2, 1, 30, 83, 6],
    options: { blockSize: 4, segmentSize: 8, threshold: 0.5 },
  },
  { title: "one query", sizes: [2, 1, 1, 50, 6], options: { blockSize: 4, segmentSize: 8, threshold: 0.5 } },
  { title: "more queries than keys", sizes: [2, 1, 90, 61, 6], options: { blockSize: 4, segmentSize: 8 } },
  { title: "one segment", sizes: [2, 1, 16, 16, 6], options: { blockSize: 4, segmentSize: 16 } },
  { title: "one token", sizes: [2, 1, 1, 1, 6], options: {} },
];

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);
const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
const shares = (scores: readonly number[]): number[] => {
  const powers = scores.map((score) => Math.exp(score - Math.max(...scores)));
  return powers.map((power) => power / sum(powers));
};

/** The blocks of keys of every row block of every head, as the steps of the paper give them. */
function oracle(heads: Heads, given: Partial<PbsAttnOptions>): (h: number, i: number, j: number) => number {
  const options = { ...pbsAttn.defaults, ...given };
  const { blockSize: b, segmentSize: s, threshold, permute } = options;
  const { lq, lk, kvHeads, headDim, q, k } = heads;
  const offset = lk - lq;
  if (lk <= s || lq > lk) return (_, i, j) => Number(j <= i + offset);
  const group = heads.heads / kvHeads;
  const segments = Math.floor(lk / s);
  const importance = range(0, heads.heads).map((h) => {
    const rows = range(Math.max(0, lq - b), lq).map((i) =>
      shares(range(0, segments * s).map((j) => scoreOf(heads, h, i, j)))
    );
    return range(0, segments * s).map((j) => sum(rows.map((row) => row[j]!)) / rows.length);
  });
  const orders = range(0, heads.heads).map((h) => {
    const members = range(h - h % group, h - h % group + group);
    const own = options.sharePermutation === "kv"
      ? importance[h]!.map((_, j) => sum(members.map((m) => importance[m]![j]!)) / group)
      : importance[h]!;
    const sorted = range(0, segments).flatMap((n) =>
      range(n * s, (n + 1) * s).sort((a, c) => own[c]! - own[a]! || a - c)
    );
    return permute ? [...sorted, ...range(segments * s, lk)] : range(0, lk);
  });
  const pooledScore = (h: number, r: number, c: number): number => {
    const key = (j: number, at: number): number => k[(Math.floor(h / group) * lk + j) * headDim + at]!;
    const rows = range(r * b, Math.min(lq, (r + 1) * b));
    const slots = orders[h]!.slice(c * b, (c + 1) * b);
    return sum(
      range(0, headDim).map((at) =>
        sum(rows.map((i) => q[(h * lq + i) * headDim + at]!)) / b * sum(slots.map((j) => key(j, at))) / b
      ),
    ) / Math.sqrt(headDim);
  };
  const blocksOf = (h: number, r: number): Set<number> => {
    const unit = permute ? s : b;
    const last = Math.min(lq, (r + 1) * b) - 1 + offset;
    const [from, to] = [Math.floor((r * b + offset) / unit), Math.floor(last / unit)];
    const candidates = range(0, Math.ceil(lk / b)).filter((c) => {
      const segment = Math.floor(c * b / unit);
      return permute ? segment < from : segment <= to;
    });
    const share = shares(candidates.map((c) => pooledScore(h, r, c)));
    const sorted = candidates.toSorted((a, c) => share[c]! - share[a]! || a - c);
    const taken = new Set(range(from * unit / b, Math.min(Math.ceil(lk / b), (to + 1) * unit / b)));
    let total = 0;
    for (const c of sorted) {
      taken.add(c);
      total += share[c]!;
      if (total >= threshold && threshold < 1) break;
    }
    if (options.forceFirstBlock) taken.add(Math.floor(orders[h]!.indexOf(0) / b));
    return taken;
  };
  const taken = range(0, heads.heads).map((h) => range(0, Math.ceil(lq / b)).map((r) => blocksOf(h, r)));
  return (h, i, j) =>
    Number(j <= i + offset && taken[h]![Math.floor(i / b)]!.has(Math.floor(orders[h]!.indexOf(j) / b)));
}

for (const [name, device] of Object.entries(DEVICES)) {
  describe(`pbsAttn on ${name}`, () => {
    for (const [seed, { title, sizes: [heads, kvHeads, lq, lk, headDim], options }] of CASES.entries()) {
      test(`sees its own segment and the heaviest blocks: ${title}`, async () => {
        const sample = randomHeads(random(100 + seed), { heads, kvHeads, lq, lk, headDim });
        const before = device.report.tensors;
        assertMask(await maskOf(device, pbsAttn(options), sample), sample, oracle(sample, options));
        assertEquals(device.report.tensors, before);
      });
    }

    test("sees everything with a threshold of 1, in any order", async () => {
      const sample = randomHeads(random(1), { heads: 2, kvHeads: 1, lq: 75, lk: 75, headDim: 8 });
      for (const permute of [true, false]) {
        const mask = await maskOf(
          device,
          pbsAttn({ blockSize: 4, segmentSize: 16, threshold: 1, permute }),
          sample,
        );
        assertMask(mask, sample, (_, i, j) => Number(j <= i));
      }
    });

    test("gives the output of dense attention with a threshold of 1", async () => {
      await assertDense(device, pbsAttn({ blockSize: 4, segmentSize: 8, threshold: 1 }));
    });

    test("keeps the order of keys that are equally important", async () => {
      const sample = randomHeads(random(2), { heads: 1, kvHeads: 1, lq: 40, lk: 40, headDim: 4 });
      sample.k.fill(0.5);
      using d = device.scope();
      let order: Promise<Int32Array> | undefined;
      pbsAttn({ blockSize: 4, segmentSize: 8 }).plan(d, queries(d, sample), keys(d, sample), {
        inspect: (name, tensor) => name === "key_perm" && (order = tensor.read("i32")),
      });
      assertEquals(Array.from(await order!), range(0, 40));
    });

    test("stays valid when keys are not finite", async () => {
      for (const value of [NaN, Infinity, -Infinity]) {
        for (const permute of [true, false]) {
          const sample = randomHeads(random(3), { heads: 2, kvHeads: 1, lq: 40, lk: 40, headDim: 4 });
          sample.k[21] = value;
          await maskOf(device, pbsAttn({ blockSize: 4, segmentSize: 8, permute }), sample);
        }
      }
    });

    test("finds more of scattered heavy keys in fewer blocks when keys are sorted", async () => {
      const heads = heavyKeys(random(5));
      using d = device.scope();
      const [q, k] = [queries(d, heads), keys(d, heads)];
      const plans = [true, false].map((permute) =>
        pbsAttn({ blockSize: 8, segmentSize: 32, permute }).plan(d, q, k)
      );
      const [sorted, plain] = await Promise.all(plans.map((plan) => plan.density()));
      assertLess(sorted!, plain!);
      assertLess(await plans[1]!.recall(q, k) + 0.1, await plans[0]!.recall(q, k));
    });
  });
}

describe("pbsAttn", () => {
  test("refuses options out of range", () => {
    const wrong: readonly Partial<PbsAttnOptions>[] = [
      { blockSize: 0 },
      { blockSize: 100 },
      { segmentSize: 0.5 },
      { threshold: -0.1 },
      { threshold: 1.1 },
      { threshold: NaN },
      { sharePermutation: "all" as "kv" },
    ];
    for (const options of wrong) assertThrows(() => pbsAttn(options), RangeError, "Cannot use pbsAttn");
  });
});
