import { describe, test } from "node:test";
import { assertEquals, assertNotEquals } from "../testing/assert.ts";
import { stratifiedHoldout } from "./holdout.ts";

const labels = Array.from({ length: 100 }, (_, i) => i < 60 ? "a" : i < 98 ? "b" : i < 99 ? "c" : "d");

describe("stratifiedHoldout()", () => {
  test("stratifiedHoldout() holds out a quarter of every class", () => {
    const { train, test: held } = stratifiedHoldout(labels);
    assertEquals(held.filter((row) => labels[row] === "a").length, 15);
    assertEquals(held.filter((row) => labels[row] === "b").length, 10);
    assertEquals([...train, ...held].sort((x, y) => x - y), labels.map((_, i) => i));
  });

  test("stratifiedHoldout() never holds out a class's only row", () => {
    const { train } = stratifiedHoldout(labels);
    assertEquals([train.includes(98), train.includes(99)], [true, true]);
    assertEquals(stratifiedHoldout(["x", "x"]).test.length, 1);
  });

  test("stratifiedHoldout() repeats itself when the seed is the same", () => {
    assertEquals(stratifiedHoldout(labels, { seed: 3 }), stratifiedHoldout(labels, { seed: 3 }));
    assertNotEquals(stratifiedHoldout(labels, { seed: 3 }), stratifiedHoldout(labels, { seed: 4 }));
  });

  test("stratifiedHoldout() splits a million rows", () => {
    const { train, test: held } = stratifiedHoldout(Array.from({ length: 1_000_000 }, (_, i) => i % 2));
    assertEquals([train.length, held.length], [750_000, 250_000]);
  });
});
