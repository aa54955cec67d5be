import { describe, test } from "node:test";
import { planFromMask } from "../attention/builders.ts";
import { createDevice } from "../device/core_device.ts";
import { openReference } from "../device/reference/mod.ts";
import { type Planner, planner } from "../methods/planner.ts";
import { assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "../testing/assert.ts";
import { compareMethods, type Row } from "./compare.ts";
import { plotComparison } from "./plot.ts";
import { HEAD_SHAPES, structured } from "./structured.ts";

/** Masses of the causal attention of one query, in float64. */
function masses(sample: ReturnType<typeof structured>, head: number, i: number): number[] {
  const { q, k, length, headDim, heads, kvHeads } = sample;
  const kv = Math.floor(head * kvHeads / heads);
  const scores = Array.from({ length: i + 1 }, (_, j) => {
    let score = 0;
    for (let d = 0; d < headDim; d++) {
      score += q[(head * length + i) * headDim + d]! * k[(kv * length + j) * headDim + d]!;
    }
    return score / Math.sqrt(headDim);
  });
  const top = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - top));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

describe("structured samples", () => {
  const sample = structured({ length: 512, heads: 12, kvHeads: 6 });

  test("hold nearly all mass in few keys, as trained heads do", () => {
    for (const [n, shape] of HEAD_SHAPES.entries()) {
      const row = masses(sample, 2 * n, 500).sort((a, b) => b - a);
      assertEquals([shape, sum(row.slice(0, 50)) > 0.85], [shape, true]);
    }
  });

  test("have sinks, local bands and distant slash lines", () => {
    const mean = (shape: string, from: number, to?: number): number => {
      const head = 2 * HEAD_SHAPES.findIndex((one) => one === shape);
      const queries = Array.from({ length: 20 }, (_, n) => 300 + 10 * n);
      return sum(queries.map((i) => sum(masses(sample, head, i).slice(from, to)))) / 20;
    };
    for (const shape of ["local", "vertical", "slash", "needles"]) {
      assertEquals([shape, mean(shape, 0, 4) > 0.05], [shape, true]);
    }
    assertEquals(mean("local", -64) > 0.4, true);
    assertEquals(mean("slash", -64) < 0.3, true);
  });

  test("are the same for the same seed and share keys between query heads", () => {
    const again = structured({ length: 512, heads: 12, kvHeads: 6 });
    assertEquals(again.q, sample.q);
    assertEquals([sample.q.length, sample.k.length], [12 * 512 * 64, 6 * 512 * 64]);
    assertEquals(
      structured({ length: 64, seed: 2 }).k[0] === structured({ length: 64, seed: 3 }).k[0],
      false,
    );
  });

  test("of heads that are too narrow or do not divide are refused", () => {
    assertThrows(() => structured({ length: 8, headDim: 16 }), RangeError, "at least 32");
    assertThrows(() => structured({ length: 8, heads: 3, kvHeads: 2 }), RangeError, "divisor");
  });
});

describe("a comparison", () => {
  const sample = structured({ length: 96, heads: 2, kvHeads: 1, headDim: 32 });
  const everything = planner("dense", () => "dense");
  const firstHalf: Planner = {
    name: "half",
    plan(device, q) {
      const [heads, lq] = q.shape as [number, number];
      const mask = Uint8Array.from(
        { length: lq * lq },
        (_, at) => Number(at % lq <= Math.floor(at / lq) / 2),
      );
      return planFromMask(device, mask, { heads, lq, lk: lq, causal: true, blockQ: 16, tileK: 16 });
    },
  };

  test("measures what a plan keeps of exact attention and what the best keys could keep", async () => {
    using device = createDevice(openReference());
    const seen: Row[] = [];
    const comparison = await compareMethods(device, sample, { dense: everything, half: firstHalf }, {
      queries: 96,
      onRow: (row) => seen.push(row),
    });
    const [dense, half] = comparison.rows as [Row, Row];
    assertEquals(seen, [dense, half]);
    for (const value of [dense.density, dense.recall, dense.oracle]) assertAlmostEquals(value, 1, 1e-6);
    assertEquals(dense.error < 1e-6, true);
    let [recall, oracle] = [0, 0];
    for (let h = 0; h < 2; h++) {
      for (let i = 0; i < 96; i++) {
        const row = masses(sample, h, i);
        const kept = Math.floor(Math.floor(i / 2) + 1);
        recall += sum(row.slice(0, kept)) / 192;
        oracle += sum(row.sort((a, b) => b - a).slice(0, kept)) / 192;
      }
    }
    assertAlmostEquals(half.recall, recall, 1e-5);
    assertAlmostEquals(half.oracle, oracle, 1e-5);
    assertEquals([half.oracle > half.recall, half.error > 0.01], [true, true]);
    assertEquals(device.report.tensors, 0);
  });

  test("of a sample that is not causal counts every key", async () => {
    using device = createDevice(openReference());
    const whole = planner("whole", () => "dense", { causal: false });
    const { rows: [row], causal } = await compareMethods(device, { ...sample, causal: false }, { whole });
    assertEquals(causal, false);
    for (const value of [row!.density, row!.recall, row!.oracle]) assertAlmostEquals(value, 1, 1e-6);
    assertEquals(row!.error < 1e-6, true);
    const cut = planner("cut", () => "dense");
    const { rows: [half] } = await compareMethods(device, { ...sample, causal: false }, { cut });
    assertEquals(half!.recall < 0.9, true);
  });

  test("stops between methods when it is aborted", async () => {
    using device = createDevice(openReference());
    const stop = new AbortController();
    const run = compareMethods(device, sample, { dense: everything, half: firstHalf }, {
      onRow: () => stop.abort(new Error("enough")),
      signal: stop.signal,
    });
    await assertRejects(() => run, Error, "enough");
    assertEquals(device.report.tensors, 0);
  });

  test("is drawn with a mark and a name for every method", () => {
    const row = { density: 0.2, recall: 0.9, oracle: 0.95, error: 0.1, planMs: 1, attendMs: 2 };
    const rows = ["a", "b", "c"].map((method, i) => ({ ...row, method, recall: 0.9 + i / 100 }));
    const svg = plotComparison({
      length: 64,
      heads: 2,
      headDim: 32,
      causal: true,
      device: "x < y",
      denseMs: 10,
      rows,
    });
    assertEquals(svg.match(/<circle/g)?.length, 4);
    assertEquals(["dense", "a", "b", "c"].every((name) => svg.includes(`>${name}</text>`)), true);
    assertEquals(svg.includes("x &#60; y"), true);
  });
});
