import { describe, test } from "node:test";
import { assertAlmostEquals, assertEquals, assertThrows } from "../testing/assert.ts";
import { densityOf, moaCaches, moaRingSlots, parseMoaPlan } from "./moa_plan.ts";

const PLAN = { alphas: [[0, -1000], [2048, 64.5]], betas: [[0.5, 1], [0, 0.125]] };

describe("parseMoaPlan()", () => {
  test("reads the text of a file and its contents", () => {
    assertEquals(parseMoaPlan(JSON.stringify(PLAN), { layers: 2, heads: 2 }), PLAN);
    assertEquals(parseMoaPlan(PLAN), PLAN);
  });

  test("refuses other models", () => {
    for (const model of [{ layers: 3 }, { heads: 4 }, { layers: 2, heads: 1 }]) {
      assertThrows(() => parseMoaPlan(PLAN, model), RangeError, "another model");
    }
  });

  test("refuses what is not a plan", () => {
    assertThrows(() => parseMoaPlan("{"), SyntaxError);
    const wrong = [null, 3, "[]", {}, { alphas: [[1]] }, { alphas: [["1"]], betas: [[1]] }, {
      alphas: 1,
      betas: 1,
    }];
    for (const json of wrong) assertThrows(() => parseMoaPlan(json), TypeError, "MoA plan");
    assertThrows(() => parseMoaPlan({ alphas: [[NaN]], betas: [[1]] }), TypeError);
    for (const betas of [[[1]], [[1, 2], [3]], []]) {
      assertThrows(() => parseMoaPlan({ alphas: PLAN.alphas, betas }), RangeError, "rows differ");
    }
  });
});

describe("densityOf()", () => {
  test("is the mean span of all heads", () => {
    assertAlmostEquals(densityOf(PLAN, 1000), (0.5 + 0 + 2.048 + 0.1895) / 4, 1e-12);
  });
});

describe("moaCaches()", () => {
  test("follows the official rule: truncated, at least 128, up to a multiple of 64, cut to what there is", () => {
    const sizes = (layer: number, tokens: number, more: number): number[] =>
      moaCaches(PLAN, layer, { heads: 2, kvHeads: 2 }, tokens, { maxNewTokens: more }).map(({ size }) =>
        size
      );
    assertEquals(sizes(0, 1000, 24), [512, 128]);
    assertEquals(sizes(0, 1003, 24), [576, 128]);
    assertEquals(sizes(0, 4000, 96), [2048, 3136]);
    assertEquals(sizes(1, 1000, 24), [1024, 192]);
    assertEquals(sizes(1, 10, 10), [128, 128]);
  });

  test("shares the longest span among query heads that share keys", () => {
    const caches = moaCaches(PLAN, 1, { heads: 2, kvHeads: 1 }, 1000, { maxNewTokens: 24 });
    assertEquals(caches, [{ size: 1024, sink: 64 }]);
  });

  test("refuses other models", () => {
    assertThrows(() => moaCaches(PLAN, 2, { heads: 2, kvHeads: 1 }, 10), RangeError, "no layer 2");
    assertThrows(() => moaCaches(PLAN, 0, { heads: 4, kvHeads: 1 }, 10), RangeError, "another model");
  });
});

describe("moaRingSlots()", () => {
  test("is what writing one token after the other leaves", () => {
    for (const cache of [{ size: 12, sink: 4 }, { size: 5, sink: 4 }, { size: 7, sink: 0 }]) {
      const slots = new Int32Array(cache.size).fill(-1);
      for (let token = 0; token < 40; token++) {
        const { size, sink } = cache;
        slots[token < sink ? token : sink + (token - sink) % (size - sink)] = token;
        assertEquals(moaRingSlots(cache, token + 1), slots);
      }
    }
    assertEquals(moaRingSlots({ size: 3, sink: 1 }, 0), Int32Array.of(-1, -1, -1));
  });
});
