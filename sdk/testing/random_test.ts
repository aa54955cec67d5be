import { describe, test } from "node:test";
import { assert, assertAlmostEquals, assertEquals, assertNotEquals, assertThrows } from "./assert.ts";
import { random } from "./random.ts";

describe("random()", () => {
  test("random() repeats its values when the seed is the same", () => {
    assertEquals(random(7).normals(16), random(7).normals(16));
    assertNotEquals(random(7).normals(16), random(8).normals(16));
    assertEquals(random(1).ints(5, 0, 100), new Int32Array([31, 79, 61, 7, 90]));
  });

  test("normals() have the stated mean and deviation", () => {
    const values = random(1).normals(100_000, 2, 3);
    const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
    const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length;
    assertAlmostEquals(mean, 3, 0.03);
    assertAlmostEquals(Math.sqrt(variance), 2, 0.03);
  });

  test("uniforms() stay inside their range and fill it", () => {
    const values = random(2).uniforms(10_000, -1, 1);
    assert(values.every((x) => x >= -1 && x < 1));
    assertAlmostEquals(values.reduce((sum, x) => sum + x, 0) / values.length, 0, 0.03);
  });

  test("ints() reach both ends of the range", () => {
    assertEquals([...new Set(random(3).ints(1000, 2, 6))].sort(), [2, 3, 4, 5]);
  });

  test("shuffle() keeps every item once", () => {
    assertEquals(random(4).shuffle([1, 2, 3, 4, 5]).sort(), [1, 2, 3, 4, 5]);
  });

  test("int() refuses an empty range", () => {
    assertThrows(() => random(1).int(3, 3), RangeError);
  });
});
