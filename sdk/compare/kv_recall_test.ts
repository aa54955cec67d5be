import { describe, test } from "node:test";
import { openWasm } from "../../wasm/mod.ts";
import { createDevice } from "../device/core_device.ts";
import { openReference } from "../device/reference/mod.ts";
import { assertAlmostEquals, assertEquals, assertThrows } from "../testing/assert.ts";
import { recallOf, recallSample } from "./kv_recall.ts";
import { recallColumn } from "./recall_lineup.ts";

const wasm = createDevice((await openWasm({ threads: 1 })).backend);

/** What the check's publication found, for filler at 0.35 of the pairs' scale without and with outliers. */
const PUBLISHED: Readonly<Record<string, readonly [number, number]>> = {
  "dense": [1, 1],
  "double-sparsity r=16": [1, 1],
  "double-sparsity r=8": [1, 1],
  "mustafar 0.5": [1, 1],
  "mustafar 0.7": [1, 1],
  "lserve, logical 16": [1, 1],
  "lserve, logical 64": [1, 1],
  "longgen, best head": [1, 1],
  "longgen, one head": [0.258, 0.262],
};

describe("recallColumn()", () => {
  for (const [column, outliers] of [false, true].entries()) {
    test(`finds as many pairs as published ${outliers ? "with" : "without"} outlier channels`, async () => {
      const before = wasm.report.tensors;
      const scores = Object.fromEntries(
        (await recallColumn(wasm, { outliers })).map(({ title, score }) => [title, score]),
      );
      const { "streaming 64 + 512": streaming, ...others } = scores;
      assertEquals(Object.keys(others), Object.keys(PUBLISHED));
      for (const [title, score] of Object.entries(others)) {
        assertAlmostEquals(score, PUBLISHED[title]![column]!, 0.02, title);
      }
      // Pairs lie outside its window: a check that it passes could not fail.
      assertEquals(streaming! < 0.15, true);
      assertEquals(wasm.report.tensors, before);
    });
  }

  test("finds the same pairs on every device", async () => {
    using reference = createDevice(openReference());
    const options = { heads: 2, length: 1400, pairs: 24, filler: 1, seed: 3 };
    const [expected, actual] = [await recallColumn(reference, options), await recallColumn(wasm, options)];
    for (const [row, { title, found, read }] of expected.entries()) {
      assertEquals([title, actual[row]!.found], [title, found]);
      assertAlmostEquals(actual[row]!.read, read, 1e-6, title);
    }
  });
});

describe("recallSample()", () => {
  test("asks with queries that score 2 sqrt(D) at their own key and less at all others", () => {
    const { heads, length, headDim, pairs, q, k, v, pairValues } = recallSample({
      length: 600,
      outliers: true,
    });
    for (let at = 0; at < heads * pairs; at++) {
      const head = Math.floor(at / pairs);
      const query = q.subarray(at * headDim, (at + 1) * headDim);
      const scores = Float64Array.from({ length }, (_, t) => {
        const key = k.subarray((head * length + t) * headDim, (head * length + t + 1) * headDim);
        return query.reduce((sum, value, c) => sum + value * key[c]!, 0) / Math.sqrt(headDim);
      });
      const own = scores.indexOf(Math.max(...scores));
      assertAlmostEquals(scores[own]!, 16, 1e-4);
      assertEquals(own >= 4 && own < length - 296, true);
      const value = v.subarray((head * length + own) * headDim, (head * length + own + 1) * headDim);
      assertEquals(value, pairValues.subarray(at * headDim, (at + 1) * headDim));
    }
  });

  test("gives heads tokens of their own, or the same where they are alike", () => {
    const first = (alike: boolean): boolean => {
      const { k } = recallSample({ heads: 2, length: 400, alike });
      return k.subarray(0, k.length / 2).every((value, i) => value === k[k.length / 2 + i]);
    };
    assertEquals([first(false), first(true)], [false, true]);
  });

  test("throws a RangeError where pairs would reach into the last tokens", () => {
    assertThrows(() => recallSample({ length: 363 }), RangeError, "expected at least 364 tokens");
    assertEquals(recallSample({ length: 364 }).pairs, 64);
  });
});

describe("recallOf()", () => {
  const sample = recallSample({ heads: 2, length: 310, pairs: 3, headDim: 8 });

  test("finds a pair where the output is nearest to its value", () => {
    const out = sample.pairValues.map((value) => value * 0.9);
    // The first pair of head 0 gets the value of the second; the last of head 1 is not a number.
    out.copyWithin(0, 8, 16);
    out[5 * 8] = NaN;
    const { found, share, best } = recallOf(out, sample);
    assertEquals([...found], [0, 1, 1, 1, 1, 0]);
    assertAlmostEquals(share, 4 / 6);
    assertEquals(best, 1);
  });

  test("finds nothing in outputs of zeros but the value that is nearest to them", () => {
    const { found } = recallOf(new Float32Array(2 * 3 * 8), sample);
    assertEquals([found.subarray(0, 3), found.subarray(3)].map((own) => own.filter(Boolean).length), [1, 1]);
  });
});
