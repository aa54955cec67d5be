import { describe, test } from "node:test";
import { assertEquals, assertThrows } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { assertMask, DEVICES, keys, maskOf, queries, randomHeads } from "./_test_heads.ts";
import { strided, type StridedOptions } from "./strided.ts";

const CASES: readonly {
  readonly sizes: readonly [heads: number, kvHeads: number, lq: number, lk: number];
  readonly options: Partial<StridedOptions>;
}[] = [
  { sizes: [4, 4, 96, 96], options: { blockSize: 8, localBlocks: 2, stride: 4 } },
  { sizes: [8, 2, 75, 75], options: { blockSize: 5, localBlocks: 1, stride: 7, headOffset: 9 } },
  { sizes: [8, 1, 60, 60], options: { blockSize: 4, localBlocks: 3, stride: 16, sinkBlocks: 2 } },
  { sizes: [6, 3, 29, 101], options: { blockSize: 8, localBlocks: 1, stride: 5, headOffset: 1 } },
  { sizes: [2, 1, 40, 56], options: { blockSize: 8, localBlocks: 2, stride: 3 } },
  { sizes: [3, 1, 1, 70], options: { blockSize: 8, localBlocks: 1, stride: 4, sinkBlocks: 1 } },
  { sizes: [2, 2, 50, 31], options: { blockSize: 8, localBlocks: 1, stride: 3 } },
  { sizes: [2, 1, 30, 30], options: { blockSize: 4, localBlocks: 1, stride: 1 } },
  { sizes: [1, 1, 1, 1], options: {} },
];

for (const [name, device] of Object.entries(DEVICES)) {
  describe(`strided() on ${name}`, () => {
    for (const { sizes: [heads, kvHeads, lq, lk], options } of CASES) {
      test(`sees its window, sinks and shifted strides: [${heads}, ${kvHeads}, ${lq}, ${lk}]`, async () => {
        const sample = randomHeads(random(1), { heads, kvHeads, lq, lk, headDim: 3 });
        const { blockSize, localBlocks, stride, sinkBlocks, headOffset } = {
          ...strided.defaults,
          ...options,
        };
        const step = Math.max(1, Math.floor(stride / heads));
        assertMask(await maskOf(device, strided(options), sample), sample, (h, row, key) => {
          const p = row + lk - lq;
          const [i, j] = [Math.floor(p / blockSize), Math.floor(key / blockSize)];
          const g = Math.floor(h / (heads / kvHeads));
          const far = (j + g * step + headOffset) % stride === 0;
          return Number(key <= p && (i - j < localBlocks || j < sinkBlocks || far));
        });
      });
    }
  });
}

describe("strided()", () => {
  test("stays valid when keys are not finite", async () => {
    const sample = randomHeads(random(2), { heads: 2, kvHeads: 1, lq: 40, lk: 40, headDim: 4 });
    sample.k.fill(NaN);
    const mask = await maskOf(
      DEVICES["reference"]!,
      strided({ blockSize: 4, localBlocks: 1, stride: 4 }),
      sample,
    );
    assertEquals(mask[0], 1);
  });

  test("uploads one list for heads that agree", () => {
    using d = DEVICES["reference"]!.scope();
    const sample = randomHeads(random(3), { heads: 4, kvHeads: 1, lq: 64, lk: 64, headDim: 2 });
    const plan = strided({ blockSize: 8, localBlocks: 1, stride: 4 }).plan(
      d,
      queries(d, sample),
      keys(d, sample),
    );
    assertEquals(plan.matrix!.shape[0], 1);
  });

  test("refuses options out of range", () => {
    for (const options of [{ stride: 0 }, { localBlocks: 0 }, { sinkBlocks: -1 }, { headOffset: 0.5 }]) {
      assertThrows(() => strided(options), RangeError, "Cannot use strided");
    }
  });
});
