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
import { anchorAttention, type AnchorAttentionOptions } from "./anchor_attention.ts";
import { pbsAttn } from "./pbs_attn.ts";

const CASES: readonly Case<AnchorAttentionOptions>[] = [
  { title: "whole groups", sizes: [2, 1, 64, 64, 8], options: { blockSize: 8, step: 2, theta: 1 } },
  {
    title: "partial block and group",
    sizes: [4, 2, 75, 75, 5],
    options: { blockSize: 8, step: 3, theta: 0.5 },
  },
  {
    title: "8 heads on one key head",
    sizes: [8, 1, 50, 50, 3],
    options: { blockSize: 4, step: 2, theta: 2 },
  },
  {
    title: "block that is no power of 2",
    sizes: [1, 1, 90, 90, 16],
    options: { blockSize: 7, step: 2, theta: -1 },
  },
  { title: "groups of one block", sizes: [2, 2, 41, 41, 4], options: { blockSize: 5, step: 1, theta: 1 } },
  {
    title: "large first region",
    sizes: [2, 1, 70, 70, 6],
    options: { blockSize: 4, step: 3, theta: 1, regions: "group" },
  },
  {
    title: "own scale",
    sizes: [2, 1, 60, 60, 6],
    options: { blockSize: 4, step: 3, theta: 0.5, scale: 0.1 },
  },
  { title: "more keys than queries", sizes: [2, 1, 30, 83, 6], options: { blockSize: 8, step: 2, theta: 1 } },
  { title: "one query", sizes: [2, 1, 1, 50, 6], options: { blockSize: 8, step: 2, theta: 1 } },
  { title: "more queries than keys", sizes: [2, 1, 90, 61, 6], options: { blockSize: 8, step: 2, theta: 1 } },
  {
    title: "fewer keys than a group",
    sizes: [2, 1, 16, 16, 6],
    options: { blockSize: 8, step: 2, theta: 1 },
  },
  { title: "one token", sizes: [2, 1, 1, 1, 6], options: {} },
];

/** What the paper's definition shows to a query; NaN where a key is within rounding of the threshold. */
function oracle(
  heads: Heads,
  options: Partial<AnchorAttentionOptions>,
): (h: number, i: number, j: number) => number {
  const { blockSize: b, step, theta, regions, scale } = { ...anchorAttention.defaults, ...options };
  const { lq, lk, headDim } = heads;
  const factor = scale === undefined ? 1 : scale * Math.sqrt(headDim);
  const score = (h: number, i: number, j: number): number => scoreOf(heads, h, i, j) * factor;
  const initEnd = regions === "group" ? b * step : b;
  const localStart = (i: number): number => {
    const group = lk - lq + Math.floor(i / (b * step)) * b * step;
    return Math.max(initEnd, regions === "group" ? group : group - b);
  };
  const regional = (i: number, j: number): boolean => j < initEnd || j >= localStart(i);
  const mean = (values: readonly number[]): number => values.reduce((a, c) => a + c, 0) / values.length;
  const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);
  const anchors = new Map<number, number>();
  const anchor = (h: number, i: number): number => {
    const seen = range(0, i + lk - lq + 1).filter((j) => regional(i, j)).map((j) => score(h, i, j));
    return anchors.get(h * lq + i) ?? anchors.set(h * lq + i, Math.max(...seen)).get(h * lq + i)!;
  };
  const margins = new Map<string, number>();
  const margin = (h: number, group: number, j: number): number => {
    const key = `${h} ${group} ${j}`;
    const blocks = range(group * step, Math.min(Math.ceil(lq / b), (group + 1) * step));
    const best = (): number =>
      Math.max(...blocks.map((s) => {
        const rows = range(s * b, Math.min(lq, (s + 1) * b));
        return mean(rows.map((i) => score(h, i, j))) + theta - mean(rows.map((i) => anchor(h, i)));
      }));
    return margins.get(key) ?? margins.set(key, best()).get(key)!;
  };
  return (h, i, j) => {
    if (j > i + lk - lq) return 0;
    if (regional(i, j)) return 1;
    const by = margin(h, Math.floor(i / (b * step)), j);
    return Math.abs(by) < 1e-4 ? NaN : Number(by >= 0);
  };
}

for (const [name, device] of Object.entries(DEVICES)) {
  describe(`anchorAttention on ${name}`, () => {
    for (const [seed, { title, sizes: [heads, kvHeads, lq, lk, headDim], options }] of CASES.entries()) {
      test(`sees the regions and the keys near an anchor: ${title}`, async () => {
        const sample = randomHeads(random(seed), { heads, kvHeads, lq, lk, headDim });
        const before = device.report.tensors;
        assertMask(await maskOf(device, anchorAttention(options), sample), sample, oracle(sample, options));
        assertEquals(device.report.tensors, before);
      });
    }

    test("sees more with a larger theta, and everything with an infinite one", async () => {
      const sample = randomHeads(random(1), { heads: 2, kvHeads: 1, lq: 70, lk: 70, headDim: 8 });
      let before: Uint8Array = new Uint8Array(2 * 70 * 70);
      for (const theta of [-Infinity, -1, 0, 1, 3, 1e9, Infinity]) {
        const mask = await maskOf(device, anchorAttention({ blockSize: 4, step: 2, theta }), sample);
        assertEquals(before.every((seen, i) => seen <= mask[i]!), true, `theta ${theta}`);
        if (theta > 1e8) assertMask(mask, sample, (_, i, j) => Number(j <= i));
        before = mask;
      }
    });

    test("keeps the earliest keys when lists have little room", async () => {
      const sample = randomHeads(random(2), { heads: 1, kvHeads: 1, lq: 64, lk: 64, headDim: 8 });
      const options = { blockSize: 4, step: 2, theta: Infinity };
      const mask = await maskOf(device, anchorAttention({ ...options, maxStripes: 3 }), sample);
      assertEquals(Array.from(mask.subarray(63 * 64), (seen, j) => seen ? j : -1).filter((j) => j >= 0), [
        ...[0, 1, 2, 3],
        ...[4, 5, 6],
        ...[52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63],
      ]);
      const none = await maskOf(device, anchorAttention({ ...options, maxStripes: 0 }), sample);
      assertEquals(none.subarray(63 * 64).reduce((sum, seen) => sum + seen), 16);
    });

    test("stays valid when keys are not finite", async () => {
      const sample = randomHeads(random(3), { heads: 2, kvHeads: 1, lq: 40, lk: 40, headDim: 4 });
      sample.k.set([NaN, Infinity, -Infinity], 20);
      for (const theta of [1, Infinity]) {
        await maskOf(device, anchorAttention({ blockSize: 4, step: 2, theta }), sample);
      }
    });

    test("finds more of scattered heavy keys than blocks at a higher density", async () => {
      const heads = heavyKeys(random(5));
      using d = device.scope();
      const [q, k] = [queries(d, heads), keys(d, heads)];
      const stripes = anchorAttention({ blockSize: 8, step: 4, theta: 6 }).plan(d, q, k);
      const blocks = pbsAttn({ blockSize: 8, segmentSize: 8, permute: false, threshold: 0.99 }).plan(d, q, k);
      assertLess(await stripes.density(), await blocks.density());
      assertLess(await blocks.recall(q, k), await stripes.recall(q, k));
    });

    test("gives the output of dense attention for a huge theta", async () => {
      await assertDense(device, anchorAttention({ blockSize: 4, step: 2, theta: 1e9 }));
    });
  });
}

describe("anchorAttention", () => {
  test("refuses options out of range", () => {
    const wrong: readonly Partial<AnchorAttentionOptions>[] = [
      { blockSize: 0 },
      { step: 1.5 },
      { theta: NaN },
      { scale: Infinity },
      { maxStripes: -1 },
      { regions: "global" as "local" },
    ];
    for (const options of wrong) {
      assertThrows(() => anchorAttention(options), RangeError, "Cannot use anchorAttention");
    }
  });
});
