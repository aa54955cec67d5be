import { describe, test } from "node:test";
import { attention } from "../attention/attention.ts";
import { assertEquals, assertThrows } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { KeyStream, tokensRead } from "./_test_choices.ts";
import { assertMask, DEVICES, keys, maskOf, queries, randomHeads } from "./_test_heads.ts";
import { moa, type MoaOptions } from "./moa.ts";
import { moaCaches, moaRingSlots } from "./moa_plan.ts";
import type { Selection } from "./selector.ts";

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

describe("moa() decoding", () => {
  const device = DEVICES["reference"]!;

  test("reads what the ring holds, of a size that the first append decides", async () => {
    const heads = { queryHeads: 6, heads: 2 };
    const spare = spans(6).plan!;
    const plan = {
      alphas: [[0, 0, 0, 0, 0, 0], ...spare.alphas],
      betas: [[0, 0, 0, 0, 0, 0], ...spare.betas],
    };
    const options = { ...SMALL, plan };
    using selection = moa(options).start(device, { ...heads, headDim: 3, layer: 1 });
    const caches = moaCaches(plan, 1, { heads: 6, kvHeads: 2 }, 61, options);
    const keys = new KeyStream([2, 130, 3], 1);
    keys.feed(device, selection, 0, 61);
    const q = device.tensor(new Float32Array(18), [6, 3]);
    for (let length = 62; length <= 130; length++) {
      keys.feed(device, selection, length - 1, length);
      const held = caches.map((cache) => moaRingSlots(cache, length).filter((token) => token >= 0).sort());
      const read = await tokensRead(selection.choose(device, q, length), heads, length);
      read.forEach((own, h) => assertEquals(own, [...held[Math.floor(h / 3)]!]));
    }
  });

  test("takes an option for the prompt, else forgets its length with all tokens only", async () => {
    const heads = { queryHeads: 1, heads: 1 };
    const shape = { ...heads, headDim: 3, layer: 0 };
    const plan = { alphas: [[0]], betas: [[0.5]] };
    const keys = new KeyStream([1, 200, 3], 1);
    const q = device.tensor(new Float32Array(3), [1, 3]);
    const count = async (selection: Selection): Promise<number> => {
      return (await tokensRead(selection.choose(device, q, 200), heads, 200))[0]!.length;
    };
    const given = moa({ ...SMALL, plan, promptLength: 90 }).start(device, shape);
    const first = moa({ ...SMALL, plan }).start(device, shape);
    keys.feed(device, given, 0, 20);
    keys.feed(device, first, 0, 40);
    first.truncate(10);
    keys.feed(device, first, 10, 100);
    const fork = first.fork();
    assertEquals([await count(given), await count(first), await count(fork)], [56, 32, 32]);
    first.truncate(0);
    keys.feed(device, first, 0, 150);
    assertEquals([await count(first), await count(fork)], [80, 32]);
    for (const selection of [given, first, fork]) selection.dispose();
  });

  test("refuses other heads and layers when it begins", () => {
    const shape = { queryHeads: 4, heads: 2, headDim: 3, layer: 0 };
    assertThrows(() => moa(spans(2)).start(device, shape), RangeError, "another model");
    assertThrows(() => moa(spans(4)).start(device, { ...shape, layer: 1 }), RangeError, "another model");
  });
});

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

  test("plans the layer that a call names", () => {
    using d = device.scope();
    const sample = randomHeads(random(6), { heads: 1, kvHeads: 1, lq: 90, lk: 90, headDim: 2 });
    const planner = moa({ ...SMALL, plan: { alphas: [[0], [0]], betas: [[0.1], [1]] } });
    const [q, k] = [queries(d, sample), keys(d, sample)];
    const kinds = [{}, { layer: 0 }, { layer: 1 }].map((state) => planner.plan(d, q, k, state).kind);
    assertEquals(kinds, ["sparse", "sparse", "dense"]);
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
