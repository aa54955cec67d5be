import { describe, test } from "node:test";
import { attention } from "../attention/attention.ts";
import { assertEquals, assertThrows } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { assertMask, DEVICES, keys, maskOf, queries, randomHeads } from "./_test_heads.ts";
import { moa, type MoaOptions } from "./moa.ts";
import { moaCaches, moaRingSlots } from "./moa_plan.ts";

const SMALL = { blockSize: 8, sinkTokens: 8, minimumCache: 16, split: 8, maxNewTokens: 10 };
const SIZES = [[2, 2, 90, 90, 5], [8, 2, 75, 75, 4], [8, 1, 40, 83, 3], [4, 4, 16, 80, 8], [2, 1, 1, 1, 4], [
  2,
  1,
  70,
  50,
  2,
]] as const;

/** One rule per head, with spans from nothing to everything. */
function spans(heads: number): Pick<MoaOptions, "plan"> {
  const alphas = Array.from({ length: heads }, (_, h) => [0, -20, 30][h % 3]!);
  const betas = Array.from({ length: heads }, (_, h) => [0.5, 0.75, 0, 1][h % 4]!);
  return { plan: { alphas: [alphas], betas: [betas] } };
}

for (const [name, device] of Object.entries(DEVICES)) {
  describe(`moa() on ${name}`, () => {
    test("sees sink and window blocks within the prompt", async () => {
      const r = random(1);
      for (const [heads, kvHeads, lq, lk, headDim] of SIZES) {
        const sample = randomHeads(r, { heads, kvHeads, lq, lk, headDim });
        const options = { ...SMALL, ...spans(heads) };
        const caches = moaCaches(options.plan!, 0, { heads, kvHeads }, lk, options);
        assertMask(await maskOf(device, moa(options), sample), sample, (h, row, key) => {
          const { size, sink } = caches[Math.floor(h / (heads / kvHeads))]!;
          const p = row + lk - lq;
          const [i, j] = [Math.floor(p / 8), Math.floor(key / 8)];
          return Number(key <= p && (j < sink / 8 || i - j < (size - sink) / 8));
        });
      }
    });

    test("sees what the ring holds after the prompt", async () => {
      const [heads, kvHeads, promptLength] = [4, 2, 61];
      const options = { ...SMALL, ...spans(heads), promptLength };
      const caches = moaCaches(options.plan!, 0, { heads, kvHeads }, promptLength, options);
      for (const lk of [62, 70, 95]) {
        const sample = randomHeads(random(2), { heads, kvHeads, lq: 1, lk, headDim: 4 });
        const held = caches.map((cache) => new Set(moaRingSlots(cache, lk)));
        assertMask(await maskOf(device, moa(options), sample), sample, (h, _, j) => {
          return Number(held[Math.floor(h / 2)]!.has(j));
        });
      }
    });
  });
}

describe("moa()", () => {
  const device = DEVICES["reference"]!;
  const kind = (options: Partial<MoaOptions>, lk: number, lq = lk): string => {
    using d = device.scope();
    const sample = randomHeads(random(3), { heads: 2, kvHeads: 1, lq, lk, headDim: 2 });
    return moa({ ...SMALL, ...spans(2), ...options }).plan(d, queries(d, sample), keys(d, sample)).kind;
  };

  test("is dense while caches hold everything: alpha 0 and beta 1, and short prompts", () => {
    assertEquals(kind({ plan: { alphas: [[0, 0]], betas: [[1, 1]] } }, 90), "dense");
    assertEquals(kind({ minimumCache: 128, sinkTokens: 64, split: 64, blockSize: 64 }, 64), "dense");
    assertEquals([kind({}, 0), kind({}, 16), kind({}, 90)], ["dense", "dense", "sparse"]);
  });

  test("gives a part of the prompt what the whole prompt gives", async () => {
    using d = device.scope();
    const sample = randomHeads(random(4), { heads: 1, kvHeads: 1, lq: 90, lk: 90, headDim: 4 });
    const [q, k] = [queries(d, sample), keys(d, sample)];
    const planner = moa({ ...SMALL, ...spans(1), promptLength: 90 });
    const whole = await attention(d, q, k, k, { plan: planner.plan(d, q, k) }).out.read();
    const [from, to] = [40, 61];
    const part = d.tensor(sample.q.slice(from * 4, to * 4), [1, to - from, 4]);
    const before = d.tensor(sample.k.slice(0, to * 4), [1, to, 4]);
    const out = await attention(d, part, before, before, { plan: planner.plan(d, part, before) }).out.read();
    assertEquals(out.every((value, i) => Math.abs(value - whole[from * 4 + i]!) < 1e-6), true);
  });

  test("stays valid when keys are not finite", async () => {
    const sample = randomHeads(random(5), { heads: 2, kvHeads: 1, lq: 90, lk: 90, headDim: 4 });
    sample.k.set([NaN, Infinity], 7);
    assertEquals((await maskOf(device, moa({ ...SMALL, ...spans(2) }), sample))[0], 1);
  });

  test("refuses a missing plan, other models and options out of range", () => {
    assertThrows(() => moa(), TypeError, "moa.calibrate()");
    assertThrows(() => moa({ ...spans(2), layer: 1 }), RangeError, "another model");
    assertThrows(() => kind(spans(3), 90), RangeError, "another model");
    assertThrows(() => kind({ promptLength: 50 }, 90, 60), RangeError, "both sides");
    for (
      const options of [{ blockSize: 0 }, { minimumCache: 64 }, { split: 0 }, { maxNewTokens: -1 }, {
        layer: 0.5,
      }]
    ) {
      assertThrows(() => moa({ ...spans(2), ...options }), RangeError, "Cannot use moa");
    }
  });
});
