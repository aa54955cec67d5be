import { describe, test } from "node:test";
import { assertAlmostEquals, assertEquals, assertThrows } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { hiddenImportance, moaTables, ruleSpace, windowBlocks } from "./moa_rules.ts";
import { MOA_SEARCH } from "./moa_search.ts";

const GRID = { extendLengths: [16384], outputLengths: [] };

describe("ruleSpace()", () => {
  test("keeps the official rules that fit, by their span at the longest length", () => {
    const rules = ruleSpace([2048, 4096, 8192], GRID);
    const spans = rules.map(({ alpha, beta }) => alpha + beta * 16384);
    assertEquals(spans, spans.toSorted((a, b) => a - b));
    assertEquals(rules.every(({ alpha }) => alpha % 1024 === 0 && alpha >= -2048 && alpha <= 8192), true);
    assertEquals(rules.every(({ beta }) => (beta * 8) % 1 === 0), true);
    for (const { alpha, beta } of rules) {
      assertEquals(
        alpha + beta * 8192 <= 8192 && alpha + beta * 16384 <= 16384 && alpha + beta * 2048 > 0,
        true,
      );
    }
    assertEquals(rules.some(({ alpha, beta }) => alpha === 0 && beta === 1), true);
    assertEquals(rules.some(({ alpha, beta }) => alpha === -2048 && beta === 1), false);
  });

  test("takes lengths of use into account", () => {
    const has = (outputLengths: number[]): boolean =>
      ruleSpace([2048], { ...GRID, outputLengths, alphas: [-1024], betas: [0.75] }).length > 0;
    assertEquals([has([]), has([1024])], [true, false]);
  });
});

describe("windowBlocks()", () => {
  test("floors alpha and truncates the sum", () => {
    const blocks = (alpha: number, beta: number): number => windowBlocks({ alpha, beta }, 10, 64);
    assertEquals(blocks(-1000, 1), 1);
    assertEquals([blocks(-100, 1), blocks(-128, 1)], [8, 8]);
    assertEquals([blocks(100, 0.55), blocks(0, 0), blocks(64, 1)], [6, 1, 11]);
  });
});

describe("moaTables()", () => {
  test("loses what the layout hides and costs its longest row", () => {
    const r = random(1);
    const blocks = 9;
    const data = r.uniforms(2 * blocks * blocks);
    const options = { ...MOA_SEARCH, extendLengths: [], blockSize: 4, alphas: [0, 8, 30], betas: [0, 0.5] };
    const { rules, loss, cost } = moaTables([{ length: 36, layers: 1, heads: 2, data }], options);
    rules.forEach((rule, at) => {
      const window = windowBlocks(rule, blocks, 4);
      const seen = (i: number, j: number): boolean => j === 0 || i - j < window;
      const row = Array.from({ length: blocks }, (_, j) => Number(seen(blocks - 1, j)));
      assertAlmostEquals(cost[0]![at]!, row.reduce((a, b) => a + b) * 4, 1e-9);
      for (let head = 0; head < 2; head++) {
        let hidden = 0;
        for (let i = 0; i < blocks; i++) {
          for (let j = 0; j <= i; j++) if (!seen(i, j)) hidden += data[(head * blocks + i) * blocks + j]!;
        }
        assertAlmostEquals(loss[0]![head * rules.length + at]!, hidden, 1e-9);
      }
    });
  });

  test("loses exactly the same for rules of the same layout", () => {
    const data = random(2).uniforms(64);
    const options = { ...MOA_SEARCH, extendLengths: [], blockSize: 16, alphas: [32, 33, 40], betas: [0] };
    const { loss } = moaTables([{ length: 128, layers: 1, heads: 1, data }], options);
    assertEquals(new Set(loss[0]).size, 1);
  });

  test("refuses importances that do not fit, and grids without a rule", () => {
    const one = { length: 128, layers: 1, heads: 1, data: new Float32Array(4) };
    assertThrows(() => moaTables([], MOA_SEARCH), RangeError, "is empty");
    assertThrows(() => moaTables([{ ...one, heads: 2 }], MOA_SEARCH), RangeError, "4 numbers");
    assertThrows(
      () => moaTables([one, { ...one, layers: 2, data: new Float32Array(8) }], MOA_SEARCH),
      RangeError,
    );
    assertThrows(
      () => moaTables([one], { ...MOA_SEARCH, alphas: [-500], betas: [0] }),
      RangeError,
      "no rule fits",
    );
  });
});

describe("hiddenImportance()", () => {
  test("hides nothing with a window of everything and all but the first column without one", () => {
    const hidden = hiddenImportance(Float32Array.of(1, 9, 2, 4), 2);
    assertEquals([...hidden], [4, 0, 0]);
  });
});
