import { describe, test } from "node:test";
import { attention } from "../attention/attention.ts";
import { assert, assertEquals, assertThrows } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import {
  assertMask,
  type Case,
  DEVICES,
  keys,
  maskOf,
  queries,
  randomHeads,
  sizesOf,
} from "./_test_heads.ts";
import { largest, lseOf, massOf } from "./_vision_test_maps.ts";
import { sparseD, type SparseDOptions } from "./sparse_d.ts";
import { sparseDCounts } from "./sparse_d_plan.ts";

const CASES: readonly Case<SparseDOptions>[] = [
  { title: "the last block is short", sizes: [4, 2, 61, 61, 5], options: { blockSize: 8, genLen: 20 } },
  {
    title: "one key head serves eight",
    sizes: [8, 1, 40, 40, 8],
    options: { blockSize: 7, select: 0.5, genLen: 13 },
  },
  {
    title: "no block begins inside the generated tokens",
    sizes: [3, 3, 64, 64, 4],
    options: { blockSize: 16, select: 0.01, genLen: 3 },
  },
  {
    title: "everything is generated",
    sizes: [2, 2, 33, 33, 3],
    options: { blockSize: 8, select: 0.4, genLen: 100 },
  },
  {
    title: "everything is selected",
    sizes: [2, 1, 30, 30, 4],
    options: { blockSize: 8, select: 1, genLen: 9 },
  },
  { title: "blocks are single tokens", sizes: [2, 2, 20, 20, 4], options: { blockSize: 1, genLen: 6 } },
  { title: "there is one token", sizes: [2, 1, 1, 1, 3], options: {} },
];

for (const [title, device] of Object.entries(DEVICES)) {
  describe(`sparseD() on ${title}`, () => {
    for (const { title, sizes: shape, options } of CASES) {
      test(`shows the blocks of its description when ${title}`, async () => {
        const all = { ...sparseD.defaults, ...options };
        const { blockSize } = all;
        const sample = randomHeads(random(shape[2]), sizesOf(shape));
        const mask = await maskOf(device, sparseD(options), sample);
        const { firstGenerated: g, keepAll, keepGenerated } = sparseDCounts(sample.lk, all);
        const from = g * blockSize;
        const whole = massOf(sample, blockSize);
        const own = massOf(sample, blockSize, (h, i) => lseOf(sample, h, i, from), from);
        assertMask(mask, sample, (h, i, j) => {
          const [a, b] = [Math.floor(i / blockSize), Math.floor(j / blockSize)];
          const kept = b < g
            ? largest(whole[h]![a]!, keepAll).includes(b)
            : largest(own[h]![a]!, keepGenerated).includes(b - g);
          return Number(kept);
        });
      });
    }

    test("keeps the first blocks when all scores are equal", async () => {
      const sample = { ...sizesOf([1, 1, 32, 32, 2]), q: new Float32Array(64), k: new Float32Array(64) };
      const mask = await maskOf(device, sparseD({ blockSize: 4, select: 0.3, genLen: 16 }), sample);
      // 3 of 8 blocks of all, and 2 of the 4 generated ones.
      assertMask(mask, sample, (_h, _i, j) => Number([0, 1, 2, 4, 5].includes(Math.floor(j / 4))));
    });

    test("its plan stays valid when keys are not numbers", async () => {
      const sample = randomHeads(random(8), sizesOf([2, 1, 40, 40, 4]));
      sample.k.fill(NaN, 0, 20);
      sample.k[60] = Infinity;
      await maskOf(device, sparseD({ blockSize: 8, genLen: 16 }), sample);
    });

    test("a session is dense, makes one plan per layer, then uses it", async () => {
      const before = device.report.tensors;
      {
        using d = device.scope();
        const method = sparseD({ blockSize: 8, genLen: 16, steps: 6, skip: 0.2 });
        using session = method.session(d);
        const layers = [1, 2].map((seed) => randomHeads(random(seed), sizesOf([2, 2, 48, 48, 4])));
        const kinds: string[] = [];
        for (let step = 0; step < 6; step++) {
          for (const [layer, sample] of layers.entries()) {
            const [q, k] = [queries(d, sample), keys(d, sample)];
            const { out, kind, plan } = session.attend(d, q, k, k, { step, layer });
            const own = kind === "sparse" ? { plan: method.plan(d, q, k) } : {};
            const expected = await attention(d, q, k, k, own).out.read();
            assert((await out.read()).every((value, i) => Math.abs(value - expected[i]!) < 1e-6));
            assertEquals(plan === undefined, kind === "dense");
            kinds.push(kind);
          }
        }
        const twice = ["dense", "dense", "dense + plan", "sparse", "sparse", "sparse"].flatMap((k) => [k, k]);
        assertEquals(kinds, twice);
      }
      assertEquals(device.report.tensors, before);
    });
  });
}

describe("sparseD()", () => {
  const d = DEVICES["reference"]!;
  const x = d.tensor(random(1).normals(2 * 32 * 4), [2, 32, 4]);
  const small = { blockSize: 8, genLen: 8 };

  test("never makes a plan that no step would use, and says so", () => {
    const method = sparseD({ ...small, steps: 3, skip: 0.5 });
    assertEquals(
      method.schedule.report,
      "All 3 steps are dense: with skip 0.5 none is left that would use a plan",
    );
    using session = method.session(d);
    for (let step = 0; step < 3; step++) {
      const { out, kind, plan } = session.attend(d, x, x, x, { step });
      assertEquals([kind, plan], ["dense", undefined]);
      out.dispose();
    }
  });

  test("its schedule is that of the published scripts", () => {
    const { planStep, steps, report } = sparseD({ steps: 128, skip: 0.2 }).schedule;
    assertEquals([planStep, steps.filter((kind) => kind === "sparse").length], [26, 101]);
    assertEquals(report, "Steps 0 to 26 are dense, step 26 makes the plans, steps 27 to 127 use them");
  });

  test("refuses zero steps", () => {
    assertThrows(
      () => sparseD({ steps: 0 }),
      RangeError,
      `"steps" is 0, expected a whole number of at least 1`,
    );
  });

  test("refuses shares, sizes and steps out of range", () => {
    for (
      const options of [
        { select: 0 },
        { select: NaN },
        { select: 1.5 },
        { skip: -0.1 },
        { skip: NaN },
        { blockSize: 0 },
        { genLen: 0.5 },
      ]
    ) assertThrows(() => sparseD(options), RangeError, `"${Object.keys(options)[0]}"`);
    using session = sparseD({ ...small, steps: 4 }).session(d);
    session.attend(d, x, x, x, { step: 0 }).out.dispose();
    assertThrows(() => session.attend(d, x, x, x, { step: 4 }), RangeError, "step 4 is past the 4 steps");
  });

  test("refuses a changed length in the middle of a generation", () => {
    using session = sparseD({ ...small, steps: 10 }).session(d);
    session.attend(d, x, x, x, { step: 0 }).out.dispose();
    const longer = d.empty([2, 40, 4]);
    assertThrows(
      () => session.attend(d, longer, longer, longer, { step: 1 }),
      RangeError,
      "layer 0 has 40 tokens at step 1, expected 32",
    );
  });

  test("refuses a sparse step when the step that makes the plan was left out", () => {
    using session = sparseD({ ...small, steps: 10 }).session(d);
    session.attend(d, x, x, x, { step: 0 }).out.dispose();
    assertThrows(() => session.attend(d, x, x, x, { step: 7 }), RangeError, "run step 3 first");
  });

  test("forgets its plans at step 0 of the next generation", () => {
    using session = sparseD({ ...small, steps: 10 }).session(d);
    for (const step of [0, 3, 4, 0]) session.attend(d, x, x, x, { step }).out.dispose();
    assertThrows(() => session.attend(d, x, x, x, { step: 4 }), RangeError, "has no plan at step 4");
  });

  test("refuses fewer queries than keys", () => {
    const q = d.empty([2, 8, 4]);
    assertThrows(() => sparseD(small).plan(d, q, x), RangeError, "8 queries and 32 keys");
  });

  test("plans an empty sequence as dense in both directions", () => {
    const empty = d.empty([2, 0, 4]);
    const plan = sparseD(small).plan(d, empty, empty);
    assertEquals([plan.kind, plan.causal], ["dense", false]);
  });
});
