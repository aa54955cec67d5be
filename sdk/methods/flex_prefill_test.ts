import { describe, test } from "node:test";
import { attention } from "../attention/attention.ts";
import { createDevice } from "../device/core_device.ts";
import type { Device } from "../device/device.ts";
import { repeat } from "../device/ops/repeat.ts";
import { openReference } from "../device/reference/mod.ts";
import type { Tensor } from "../device/tensor.ts";
import { assertEquals, assertThrows } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { expectedHead } from "./_flex_prefill_test_oracle.ts";
import { assertMask, DEVICES, type HeadSizes } from "./_test_heads.ts";
import { flexPrefill, type FlexPrefillOptions } from "./flex_prefill.ts";

const CASES: readonly (readonly [HeadSizes, Partial<FlexPrefillOptions>])[] = [
  [{ heads: 4, kvHeads: 2, lq: 300, lk: 300, headDim: 5 }, {
    blockSize: 16,
    gamma: 0.7,
    tau: 0.16,
    minBudget: 30,
  }],
  [
    { heads: 8, kvHeads: 1, lq: 250, lk: 250, headDim: 8 },
    { blockSize: 16, gamma: 0.8, tau: 0.12, minBudget: 16, maxBudget: 70 },
  ],
  [
    { heads: 6, kvHeads: 3, lq: 260, lk: 260, headDim: 4 },
    { blockSize: 32, gamma: 0.6, tau: 0.208, minBudget: 0, gqaInterleave: true },
  ],
  [{ heads: 3, kvHeads: 3, lq: 129, lk: 129, headDim: 3 }, {
    blockSize: 8,
    gamma: 0.5,
    tau: 0,
    minBudget: 20,
    coverDiv: 5,
  }],
  [{ heads: 4, kvHeads: 4, lq: 53, lk: 101, headDim: 6 }, {
    blockSize: 12,
    gamma: 0.8,
    tau: 0.3,
    minBudget: 12,
  }],
  [{ heads: 2, kvHeads: 1, lq: 6, lk: 102, headDim: 6 }, {
    blockSize: 16,
    gamma: 0.8,
    tau: 0.3,
    minBudget: 16,
  }],
  [{ heads: 2, kvHeads: 2, lq: 90, lk: 90, headDim: 4 }, {
    blockSize: 1,
    gamma: 0.5,
    tau: 0.5,
    minBudget: 3,
  }],
];

function inputs(d: Device, seed: number, { heads, kvHeads, lq, lk, headDim: width }: HeadSizes) {
  const rng = random(seed);
  // Heads differ in sharpness, so that both kinds occur.
  const q = rng.normals(heads * lq * width).map((value, at) =>
    value * (0.3 + Math.floor(at / (lq * width)) % 4)
  );
  const k = rng.normals(kvHeads * lk * width);
  return { q, k, queries: d.tensor(q, [heads, lq, width]), keys: d.tensor(k, [kvHeads, lk, width]) };
}

/** Rows of one head. */
function rowsOf(x: Float32Array, head: number, length: number, width: number): number[][] {
  return Array.from({ length }, (_, i) => {
    const at = (head * length + i) * width;
    return [...x.subarray(at, at + width)];
  });
}

for (const [title, device] of Object.entries(DEVICES)) {
  describe(`flexPrefill() on ${title}`, () => {
    for (const [i, [shape, options]] of CASES.entries()) {
      test(`shows the blocks of its description when sizes are those of case ${i}`, async () => {
        using d = device.scope();
        const { heads, kvHeads, lq, lk, headDim } = shape;
        const { q, k, queries, keys } = inputs(d, 40 + i, shape);
        const seen = new Map<string, Tensor>();
        const plan = flexPrefill(options).plan(d, queries, keys, {
          inspect: (name, tensor) => seen.set(name, tensor),
        });
        await plan.validate();
        const all = { ...flexPrefill.defaults, ...options };
        const expected = Array.from({ length: heads }, (_, h) => {
          const kv = all.gqaInterleave ? h % kvHeads : Math.floor(h / (heads / kvHeads));
          return expectedHead(rowsOf(q, h, lq, headDim), rowsOf(k, kv, lk, headDim), all);
        });
        assertEquals([...await seen.get("queryAware")!.read()], expected.map(({ aware }) => Number(aware)));
        assertEquals(
          [...await seen.get("numVertical")!.read("i32")],
          expected.map(({ counts }) => counts[0]),
        );
        assertEquals([...await seen.get("numSlash")!.read("i32")], expected.map(({ counts }) => counts[1]));
        const distances = await seen.get("jsDistance")!.read();
        const off = Math.max(...expected.map(({ distance }, h) => Math.abs(distance - distances[h]!)));
        assertEquals(off < 1e-5, true);
        assertEquals(
          [...await seen.get("blockMask")!.read()],
          expected.flatMap(({ blocks }) => blocks.flat().map(Number)),
        );
        assertMask(await plan.mask(), shape, (h, row, key) => {
          const block = expected[h]!
            .blocks[Math.floor(row / all.blockSize)]![Math.floor(key / all.blockSize)]!;
          return Number(key <= row + lk - lq && block);
        });
      });
    }

    test("frees what it made when the plan is disposed", () => {
      const before = device.report.tensors;
      using d = device.scope();
      const [shape, options] = CASES[2]!;
      const { queries, keys } = inputs(d, 1, shape);
      flexPrefill(options).plan(d, queries, keys).dispose();
      assertEquals(device.report.tensors, before + 2);
    });

    test("keeps its plan valid when keys are not finite", async () => {
      for (const value of [NaN, Infinity, -Infinity]) {
        using d = device.scope();
        const [shape, options] = CASES[0]!;
        const { queries, k } = inputs(d, 2, shape);
        k.fill(value, 40, 90);
        const keys = d.tensor(k, [shape.kvHeads, shape.lk, shape.headDim]);
        await flexPrefill(options).plan(d, queries, keys).validate();
      }
    });

    test("is equal to dense attention when gamma is 1 and heads are not query-aware", async () => {
      using d = device.scope();
      const shape = { heads: 2, kvHeads: 1, lq: 200, lk: 200, headDim: 8 };
      const { queries, keys } = inputs(d, 3, shape);
      const plan = flexPrefill({ blockSize: 16, gamma: 1, tau: 0, minBudget: 16 }).plan(d, queries, keys);
      const sparse = await attention(d, queries, keys, keys, { plan }).out.read();
      const dense = await attention(d, queries, keys, keys, { causal: true }).out.read();
      const off = Math.max(...sparse.map((value, at) => Math.abs(value - dense[at]!)));
      assertEquals([plan.kind, off < 1e-3], ["sparse", true]);
    });

    test("keeps less, and more than gamma of the mass, when gamma falls", async () => {
      using d = device.scope();
      const shape = { heads: 4, kvHeads: 2, lq: 400, lk: 400, headDim: 8 };
      const { queries, keys } = inputs(d, 4, shape);
      const densities: number[] = [];
      for (const gamma of [0.95, 0.9, 0.7, 0.5, 0.3]) {
        const plan = flexPrefill({ blockSize: 16, gamma, tau: 0, minBudget: 16 }).plan(d, queries, keys);
        densities.push(await plan.density());
        assertEquals(await plan.recall(queries, keys) > gamma, true);
      }
      assertEquals(densities, [...densities].sort((x, y) => y - x));
      assertEquals(densities[4]! < densities[0]!, true);
    });
  });
}

describe("flexPrefill()", () => {
  const device = createDevice(openReference());

  test("is dense when a prompt is short, one query long or does not begin with a block", () => {
    const kind = (lq: number, lk: number): string => {
      const [q, k] = [lq, lk].map((length) => device.tensor(new Float32Array(length * 4), [1, length, 4]));
      return flexPrefill({ blockSize: 16, minBudget: 60 }).plan(device, q!, k!).kind;
    };
    const calls = [[0, 0], [1, 1], [64, 64], [65, 65], [1, 97], [40, 90], [42, 90], [90, 42]];
    assertEquals(
      calls.map(([lq, lk]) => kind(lq!, lk!)),
      ["dense", "dense", "dense", "sparse", "dense", "dense", "sparse", "dense"],
    );
  });

  test("plans interleaved heads as attention reads them when keys are repeated", async () => {
    using d = device.scope();
    const [shape, options] = CASES[2]!;
    const { queries, keys } = inputs(d, 5, shape);
    const { lq, lk } = shape;
    const repeated = repeat(d, keys, 0, shape.heads / shape.kvHeads);
    const plan = flexPrefill(options).plan(d, queries, keys);
    assertEquals(
      await plan.mask(),
      await flexPrefill({ ...options, gqaInterleave: false }).plan(d, queries, repeated).mask(),
    );
    assertEquals(attention(d, queries, repeated, repeated, { plan }).out.shape, [
      shape.heads,
      lq,
      shape.headDim,
    ]);
    assertEquals(lq, lk);
  });

  test("refuses options that are out of range", () => {
    const wrong: Partial<FlexPrefillOptions>[] = [
      { blockSize: 0 },
      { gamma: 0 },
      { gamma: 1.1 },
      { gamma: NaN },
      { tau: -1 },
      { minBudget: -1 },
      { maxBudget: 0 },
      { coverDiv: 0 },
      { blockSize: 32, minBudget: 65, maxBudget: 64 },
    ];
    for (const options of wrong) assertThrows(() => flexPrefill(options), RangeError);
    flexPrefill({ blockSize: 32, minBudget: 64, maxBudget: 64 });
  });
});
