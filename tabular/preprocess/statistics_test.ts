import { describe, test } from "node:test";
import { random } from "../../sdk/testing/random.ts";
import { assert, assertAlmostEquals, assertEquals } from "../../sdk/testing/assert.ts";
import { moments, pairwiseSum } from "./statistics.ts";

describe("pairwiseSum()", () => {
  test("adds any number of values with small error", () => {
    const source = random(1);
    for (const length of [0, 1, 7, 8, 9, 127, 128, 129, 136, 1000, 4097]) {
      const integers = Float64Array.from(source.ints(length, -1000, 1000));
      assertEquals(pairwiseSum(integers), integers.reduce((sum, x) => sum + x, 0), `${length} values`);
    }
    const tenths = new Float64Array(1_000_000).fill(0.1);
    assertAlmostEquals(pairwiseSum(tenths), 100_000, 1e-9);
  });
});

describe("moments()", () => {
  test("measures mean, deviation and variance", () => {
    const values = Float64Array.of(2, 4, 4, 4, 5, 5, 7, 9);
    assertEquals(moments(values), { mean: 5, deviation: 2, variance: 4 });
    assertAlmostEquals(moments(values, 1).variance, 32 / 7, 1e-15);
    assertEquals(moments(Float64Array.of(3)), { mean: 3, deviation: 0, variance: 0 });
  });

  test("stays finite where sums and squares overflow", () => {
    const { mean, deviation } = moments(Float64Array.of(1e308, 1e308, -1e308, 1.5e308));
    assertAlmostEquals(mean / 1e308, 0.625, 1e-12);
    assertAlmostEquals(deviation / 1e308, 0.9601432, 1e-6);
    const extreme = moments(Float64Array.of(Number.MAX_VALUE, -Number.MAX_VALUE));
    assert(Number.isFinite(extreme.mean) && Number.isFinite(extreme.deviation));
  });
});
