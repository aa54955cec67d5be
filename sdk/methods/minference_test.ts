import { describe, test } from "node:test";
import { attention } from "../attention/attention.ts";
import type { Plan } from "../attention/plan.ts";
import { createDevice } from "../device/core_device.ts";
import type { Device } from "../device/device.ts";
import { toHalf } from "../device/half.ts";
import { openReference } from "../device/reference/mod.ts";
import type { Tensor } from "../device/tensor.ts";
import { assertEquals, assertThrows } from "../testing/assert.ts";
import { type Random, random } from "../testing/random.ts";
import { expectedMask } from "./_minference_test_oracle.ts";
import { assertMask, DEVICES, type HeadSizes } from "./_test_heads.ts";
import { minference, type MInferenceOptions, type MInferencePattern } from "./minference.ts";

function inputs(d: Device, rng: Random, { heads, kvHeads, lq, lk, headDim }: HeadSizes) {
  const [q, k] = [rng.normals(heads * lq * headDim, 1.5), rng.normals(kvHeads * lk * headDim)];
  return { q, k, tensors: [d.tensor(q, [heads, lq, headDim]), d.tensor(k, [kvHeads, lk, headDim])] as const };
}

const lines = (a: number, b: number): MInferencePattern => ["vertical_and_slash", a, b];

const CASES: readonly (readonly [HeadSizes, Partial<MInferenceOptions>])[] = [
  [
    { heads: 3, kvHeads: 1, lq: 333, lk: 333, headDim: 7 },
    { patterns: [lines(40, 120), ["block_sparse", 2, 1], ["stream_llm", 70, 50]] },
  ],
  [
    { heads: 4, kvHeads: 4, lq: 200, lk: 200, headDim: 5 },
    {
      patterns: [["stream_llm", 3, 9], lines(8, 5), lines(20, 60), ["block_sparse", 3, 1]],
      blockSize: 16,
      lastQ: 24,
      forcedColumns: 4,
      forcedDiagonals: 10,
    },
  ],
  [
    { heads: 8, kvHeads: 1, lq: 129, lk: 129, headDim: 3 },
    {
      patterns: Array.from({ length: 8 }, (_, h) => lines(3 + 9 * h, 60 - 7 * h)),
      blockSize: 32,
      lastQ: 200,
      forcedColumns: 2,
      forcedDiagonals: 3,
    },
  ],
  [
    { heads: 4, kvHeads: 2, lq: 90, lk: 237, headDim: 8 },
    {
      patterns: [lines(30, 40), ["stream_llm", 20, 33], ["block_sparse", 3, 1], lines(10, 20)],
      blockSize: 16,
      forcedColumns: 3,
      forcedDiagonals: 5,
    },
  ],
  [
    { heads: 2, kvHeads: 2, lq: 150, lk: 150, headDim: 4 },
    { patterns: [["block_sparse", 7, 1], ["block_sparse", 2, 1]], ratio: 0.6, blockSize: 20 },
  ],
  [
    { heads: 2, kvHeads: 1, lq: 77, lk: 77, headDim: 4 },
    { patterns: [["stream_llm", 0, 10], ["stream_llm", 5, 0]], blockSize: 8 },
  ],
];

for (const [title, device] of Object.entries(DEVICES)) {
  describe(`minference() on ${title}`, () => {
    for (const [i, [shape, options]] of CASES.entries()) {
      test(`shows the keys of its description when sizes are those of case ${i}`, async () => {
        using d = device.scope();
        const { q, k, tensors } = inputs(d, random(20 + i), shape);
        const plan = minference(options).plan(d, ...tensors);
        await plan.validate();
        const expected = expectedMask(q, k, shape, { ...minference.defaults, ...options });
        const { lq, lk } = shape;
        assertMask(await plan.mask(), shape, (h, row, key) => expected[(h * lq + row) * lk + key]!);
      });
    }

    test("frees what it made when the plan is disposed", () => {
      const before = device.report.tensors;
      using d = device.scope();
      const [shape, options] = CASES[0]!;
      const { tensors } = inputs(d, random(1), shape);
      minference(options).plan(d, ...tensors).dispose();
      assertEquals(device.report.tensors, before + 2);
    });

    test("takes the first of equal columns and distances when all scores are equal", async () => {
      using d = device.scope();
      const zeros = d.tensor(new Float32Array(300 * 4), [1, 300, 4]);
      const seen = new Map<string, Tensor>();
      minference({ patterns: [lines(50, 120)], lastQ: 1 }).plan(d, zeros, zeros, {
        inspect: (name, tensor) => seen.set(name, tensor),
      });
      assertEquals(
        await seen.get("verticalIdx")!.read("i32"),
        Int32Array.from({ length: 50 }, (_, j) => j),
      );
      assertEquals(
        await seen.get("slashIdx")!.read("i32"),
        Int32Array.from({ length: 120 }, (_, n) => 119 - n),
      );
    });

    test("keeps its plan valid when keys are not finite", async () => {
      for (const value of [NaN, Infinity, -Infinity]) {
        using d = device.scope();
        const [shape, options] = CASES[0]!;
        const { q, k } = inputs(d, random(2), shape);
        k.fill(value, 40, 90);
        const keys = d.tensor(k, [shape.kvHeads, shape.lk, shape.headDim]);
        await minference(options).plan(d, d.tensor(q, [shape.heads, shape.lq, shape.headDim]), keys)
          .validate();
      }
    });

    test("reads float16 keys as the numbers that they are", async () => {
      using d = device.scope();
      const shape = { heads: 2, kvHeads: 1, lq: 260, lk: 260, headDim: 8 };
      const k = Float32Array.from(random(3).ints(shape.lk * shape.headDim, -20, 20), (value) => value / 8);
      const q = d.tensor(random(4).normals(2 * 260 * 8), [2, 260, 8]);
      const method = minference({ patterns: [lines(40, 130), ["block_sparse", 2, 1]] });
      const half = d.tensor(Uint16Array.from(k, toHalf), [1, 260, 8]);
      assertEquals(
        await method.plan(d, q, half).mask(),
        await method.plan(d, q, d.tensor(k, [1, 260, 8])).mask(),
      );
    });

    test("finds a needle that the last queries look for", async () => {
      using d = device.scope();
      const [length, width, needle] = [700, 16, 123];
      const { q, k } = inputs(d, random(5), { heads: 1, kvHeads: 1, lq: length, lk: length, headDim: width });
      k.forEach((value, at) => k[at] = value * 0.3);
      k.set(q.subarray((length - 1) * width), needle * width);
      const [queries, keys] = [d.tensor(q, [1, length, width]), d.tensor(k, [1, length, width])];
      const plan = minference({ patterns: [lines(40, 110)] }).plan(d, queries, keys);
      assertEquals((await plan.mask())[(length - 1) * length + needle], 1);
      const v = d.tensor(random(6).normals(length * width), [1, length, width]);
      const last = async (
        of: Plan | undefined,
      ): Promise<number[]> => [
        ...(await attention(d, queries, keys, v, { plan: of, causal: true }).out.read()).slice(-width),
      ];
      const [sparse, dense] = [await last(plan), await last(undefined)];
      const off = Math.max(...sparse.map((value, c) => Math.abs(value - dense[c]!)));
      assertEquals(off < 0.1, true);
    });
  });
}

describe("minference()", () => {
  const device = createDevice(openReference());
  const plan = (length: number, options: Partial<MInferenceOptions>, heads = 2): Plan => {
    const x = device.tensor(new Float32Array(heads * length * 4), [heads, length, 4]);
    return minference(options).plan(device, x, x);
  };

  test("is dense when a prompt is no longer than the distances that are always listed", () => {
    assertEquals([0, 1, 100, 101].map((length) => plan(length, {}).kind), [
      "dense",
      "dense",
      "dense",
      "sparse",
    ]);
  });

  test("keeps every distance below 100 when fewer are asked for", async () => {
    const mask = await plan(150, { patterns: [lines(0, 0), lines(1, 50)] }).mask();
    const missing = [...mask.keys()].filter((at) => {
      const distance = Math.floor(at / 150) % 150 - at % 150;
      return distance >= 0 && distance < 100 && mask[at] === 0;
    });
    assertEquals(missing, []);
  });

  test("keeps an A-shape when the prompt is short", async () => {
    const mask = await plan(6, { patterns: [["stream_llm", 1, 2]], blockSize: 4 }, 1).mask();
    assertEquals([...mask.subarray(18, 24)], [1, 0, 1, 1, 0, 0]);
  });

  test("takes the patterns of its layer when a profile is given", () => {
    const profile = minference.load([{}, { "0": ["stream_llm", 4, 8] }], { heads: 2, layers: 2 });
    const seen: string[] = [];
    const x = device.tensor(new Float32Array(2 * 150 * 4), [2, 150, 4]);
    for (const layer of [0, 1]) {
      minference({ profile, layer, startingLayer: 1 }).plan(device, x, x, {
        inspect: (name, tensor) => {
          if (name.endsWith("Idx")) seen.push(`${layer} ${name} ${tensor.shape[0]}`);
        },
      });
    }
    assertEquals(seen, ["1 verticalIdx 1", "1 slashIdx 1"]);
  });

  test("refuses patterns of another number of heads", () => {
    const profile = minference.load([{}], { heads: 3, layers: 1 });
    assertThrows(() => plan(200, { profile }), RangeError, "for 3 heads");
    assertThrows(() => plan(200, { patterns: [lines(1, 1)] }), RangeError, "for 1 heads");
  });

  test("refuses options that are out of range", () => {
    const profile = minference.load([{}], { heads: 2, layers: 1 });
    const wrong: Partial<MInferenceOptions>[] = [
      { lastQ: 0 },
      { blockSize: 1.5 },
      { forcedColumns: -1 },
      { forcedDiagonals: 0 },
      { ratio: 0 },
      { ratio: Infinity },
      { profile, layer: 1 },
      { patterns: [["block_sparse", 0, 1]] },
      { patterns: [["stream_llm", -1, 1]] },
    ];
    for (const options of wrong) assertThrows(() => minference(options), RangeError);
    assertThrows(() => minference({ profile, patterns: [] }), TypeError, "both");
  });
});
