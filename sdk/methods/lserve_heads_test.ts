import { describe, test } from "node:test";
import { assertEquals, assertThrows } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { parseHeadScores, retrievalHeads } from "./lserve_heads.ts";

describe("parseHeadScores()", () => {
  test("reads tabs and lines, also those of Windows, with and without an end", () => {
    const expected = [[0, 1, 0.5], [1e-3, -2, 3]];
    for (
      const text of ["0\t1\t0.5\n1e-3\t-2\t3", "0\t1\t0.5\r\n1e-3\t-2\t3\r\n", "0\t1\t.5\n0.001\t-2.0\t3\n"]
    ) {
      assertEquals(parseHeadScores(text), expected);
    }
  });

  test("refuses what is not a table of finite numbers", () => {
    for (const text of ["", "1\tx", "1\t\n", "1\t2\n3", "NaN", "1,2", "1\n\n2", "Infinity\t1"]) {
      assertThrows(() => parseHeadScores(text), SyntaxError, "Cannot read the head scores");
    }
  });
});

describe("retrievalHeads()", () => {
  test("is the comparison with the quantile where scores differ", () => {
    const r = random(1);
    for (let round = 0; round < 50; round++) {
      const [layers, heads] = [r.int(1, 7), r.int(1, 5)];
      const sparsity = r.uniform();
      const scores = Array.from({ length: layers }, () => [...r.uniforms(heads)]);
      const sorted = scores.flat().sort((a, b) => a - b);
      const at = sparsity * (sorted.length - 1);
      const [low, high] = [sorted[Math.floor(at)]!, sorted[Math.ceil(at)]!];
      const threshold = low + (at - Math.floor(at)) * (high - low);
      const expected = scores.map((row) => row.map((score) => Number(score >= threshold)));
      assertEquals(retrievalHeads(scores, sparsity), expected);
    }
  });

  test("takes earlier layers, then earlier heads, among equals", () => {
    assertEquals(retrievalHeads([[1, 0], [1, 1], [0, 1]], 0.5), [[1, 0], [1, 1], [0, 0]]);
    assertEquals(retrievalHeads([[0, 0], [0, 0]], 0.7), [[1, 0], [0, 0]]);
  });

  test("gives all or none at the ends", () => {
    const scores = [[0.3, 0.1], [0.2, 0.4]];
    assertEquals([retrievalHeads(scores, 0), retrievalHeads(scores, -1)], [[[1, 1], [1, 1]], [[1, 1], [
      1,
      1,
    ]]]);
    assertEquals([retrievalHeads(scores, 1), retrievalHeads(scores, 2)], [[[0, 0], [0, 0]], [[0, 0], [
      0,
      0,
    ]]]);
    assertEquals(retrievalHeads([], 0.5), []);
  });
});
