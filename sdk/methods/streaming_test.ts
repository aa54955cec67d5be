import { describe, test } from "node:test";
import { attention } from "../attention/attention.ts";
import { assertEquals, assertThrows } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { tokensRead, tokensWhere } from "./_test_choices.ts";
import { assertMask, DEVICES, keys, maskOf, queries, randomHeads } from "./_test_heads.ts";
import { streaming } from "./streaming.ts";

const SIZES = [[1, 1, 1, 1, 3], [2, 1, 70, 70, 5], [8, 1, 41, 97, 4], [4, 2, 33, 128, 8], [3, 1, 1, 90, 4], [
  2,
  1,
  50,
  30,
  4,
]] as const;

for (const [name, device] of Object.entries(DEVICES)) {
  describe(`streaming() on ${name}`, () => {
    test("sees the sink and the window to the token, for any blocks and chunks", async () => {
      const r = random(1);
      for (const [heads, kvHeads, lq, lk, headDim] of SIZES) {
        const sample = randomHeads(r, { heads, kvHeads, lq, lk, headDim });
        for (const blockSize of [1, 16, 24]) {
          const [sink, window] = [r.int(0, 30), r.int(1, 40)];
          const mask = await maskOf(device, streaming({ sink, window, blockSize }), sample);
          assertMask(mask, sample, (_, i, j) => {
            const p = i + lk - lq;
            return Number(j <= p && (j < sink || p - j < window));
          });
        }
      }
    });

    test("gives a chunk what the whole prompt gives", async () => {
      using d = device.scope();
      const planner = streaming({ sink: 3, window: 20, blockSize: 8 });
      const sample = randomHeads(random(2), { heads: 2, kvHeads: 1, lq: 70, lk: 70, headDim: 4 });
      const [q, k] = [queries(d, sample), keys(d, sample)];
      const whole = await attention(d, q, k, k, { plan: planner.plan(d, q, k) }).out.read();
      const last = d.tensor(new Float32Array([...sample.q.slice(57 * 4, 280), ...sample.q.slice(127 * 4)]), [
        2,
        13,
        4,
      ]);
      const chunk = await attention(d, last, k, k, { plan: planner.plan(d, last, k) }).out.read();
      const expected = [...whole.slice(57 * 4, 280), ...whole.slice(127 * 4)];
      assertEquals(chunk.every((value, i) => Math.abs(value - expected[i]!) < 1e-5), true);
    });
  });
}

describe("streaming() decoding", () => {
  const device = DEVICES["reference"]!;

  test("reads what the mask shows to the last query", async () => {
    const planner = streaming({ sink: 3, window: 20, blockSize: 8 });
    const heads = { queryHeads: 4, heads: 2 };
    using selection = planner.start(device, { ...heads, headDim: 4, layer: 0 });
    for (const lk of [1, 22, 23, 24, 60]) {
      const sample = randomHeads(random(4), { heads: 4, kvHeads: 2, lq: 1, lk, headDim: 4 });
      const mask = await maskOf(device, planner, sample);
      const q = device.tensor(sample.q, [4, 4]);
      const read = await tokensRead(selection.choose(device, q, lk), heads, lk);
      read.forEach((own, h) => assertEquals(own, tokensWhere(lk, (token) => mask[h * lk + token] === 1)));
    }
  });

  test("reads everything while nothing is hidden", () => {
    using selection = streaming({ sink: 3, window: 20 }).start(device, {
      queryHeads: 1,
      heads: 1,
      headDim: 4,
      layer: 0,
    });
    const q = device.tensor(new Float32Array(4), [1, 4]);
    assertEquals([1, 23].map((length) => selection.choose(device, q, length)), [undefined, undefined]);
    assertEquals(selection.bytes, 0);
  });
});

describe("streaming()", () => {
  const device = DEVICES["reference"]!;
  const kind = (lk: number): string => {
    using d = device.scope();
    const sample = randomHeads(random(3), { heads: 1, kvHeads: 1, lq: lk, lk, headDim: 2 });
    return streaming({ sink: 4, window: 16, blockSize: 8 }).plan(d, queries(d, sample), keys(d, sample)).kind;
  };

  test("is dense as long as nothing is hidden, which an empty prompt is too", () => {
    assertEquals([0, 1, 20, 21].map(kind), ["dense", "dense", "dense", "sparse"]);
  });

  test("refuses options out of range", () => {
    for (const options of [{ sink: -1 }, { window: 0 }, { blockSize: 1.5 }]) {
      assertThrows(() => streaming(options), RangeError, "Cannot use streaming");
    }
  });
});
