import { describe, test } from "node:test";
import { assert, assertAlmostEquals, assertEquals } from "../../sdk/testing/assert.ts";
import { normalQuantile } from "./normal_quantile.ts";

/** The normal distribution function by Taylor's series inside and a continued fraction outside. */
function normalDistribution(x: number): number {
  const density = Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI);
  if (Math.abs(x) > 4) {
    let fraction = Math.abs(x);
    for (let k = 200; k >= 1; k--) fraction = Math.abs(x) + k / fraction;
    return x < 0 ? density / fraction : 1 - density / fraction;
  }
  let term = x;
  let sum = x;
  for (let k = 3; Math.abs(term) > 1e-18; k += 2) {
    term *= x * x / k;
    sum += term;
  }
  return 0.5 + density * sum;
}

describe("normalQuantile()", () => {
  test("inverts the distribution function", () => {
    for (let p = 0.0005; p < 1; p += 0.0005) {
      assertAlmostEquals(normalDistribution(normalQuantile(p)), p, 4e-15);
    }
    for (let exponent = 5; exponent <= 300; exponent++) {
      const p = 10 ** -exponent;
      assertAlmostEquals(normalDistribution(normalQuantile(p)) / p, 1, 1e-11);
    }
  });

  test("knows its ends and refuses what is no probability", () => {
    assertEquals([0, 0.5, 1].map(normalQuantile), [-Infinity, 0, Infinity]);
    assertAlmostEquals(normalQuantile(0.975), 1.959963984540054, 1e-15);
    assertAlmostEquals(normalQuantile(1e-7), -5.199337582192816, 1e-14);
    assert([-0.1, 1.1, NaN].every((p) => Number.isNaN(normalQuantile(p))));
  });
});
