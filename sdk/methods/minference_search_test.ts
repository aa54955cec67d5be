import { describe, test } from "node:test";
import { createDevice } from "../device/core_device.ts";
import { openReference } from "../device/reference/mod.ts";
import { assertEquals, assertRejects } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import {
  minference,
  type MInferencePattern,
  type MInferenceSample,
  type MInferenceSearchOptions,
} from "./minference.ts";
import type { MInferenceFigures } from "./minference_search.ts";

const device = createDevice(openReference());
const [LENGTH, WIDTH] = [150, 8];

/** Head 0 looks at its neighbours only, head 1 at key 3 and everything a little. */
function sample(): MInferenceSample {
  const rng = random(1);
  const k = rng.normals(2 * LENGTH * WIDTH, 0.3);
  const q = rng.normals(2 * LENGTH * WIDTH, 0.3);
  for (let i = 0; i < LENGTH; i++) {
    for (const x of [q, k]) {
      x[i * WIDTH] = 20 * Math.cos(i / 25);
      x[i * WIDTH + 1] = 20 * Math.sin(i / 25);
    }
    q[(LENGTH + i) * WIDTH] = 6;
  }
  k[(LENGTH + 3) * WIDTH] = 3;
  const shape = [2, LENGTH, WIDTH];
  return {
    q: device.tensor(q, shape),
    k: device.tensor(k, shape),
    v: device.tensor(rng.normals(2 * LENGTH * WIDTH), shape),
  };
}

const settings = { lastQ: 16, forcedColumns: 1, forcedDiagonals: 2, blockSize: 8 };
const candidates: readonly MInferencePattern[] = [
  ["stream_llm", 0, 24],
  ["vertical_and_slash", 5, 2],
  ["block_sparse", 1, 1],
];

describe("minference.calibrate()", () => {
  test("finds the pattern that a head has, and gives a profile that plans", async () => {
    using d = device.scope();
    const one = sample();
    for (const criterion of ["error", "recall"] as const) {
      const profile = await minference.calibrate(d, [one, one], {
        candidates,
        criterion,
        settings,
        tol: 0.2,
        model: "tiny",
        date: "2025-01-31",
      });
      const { layers, ...rest } = profile;
      assertEquals(rest, { model: "tiny", length: LENGTH, criterion, date: "2025-01-31", heads: 2 });
      const winners = layers.map((layer) => [0, 1].map((h) => layer[h]!.slice(0, 3).join()));
      const found = ["stream_llm,0,24", "vertical_and_slash,5,2"];
      assertEquals(winners, [found, found]);
      const loaded = minference.load(JSON.stringify(profile), { heads: 2, layers: 2, model: "tiny" });
      assertEquals(loaded, profile);
      using plan = minference({ ...settings, profile: loaded, layer: 1 }).plan(d, one.q, one.k);
      await plan.validate();
    }
    assertEquals(d.report.tensors, 3);
    for (const tensor of Object.values(one)) tensor.dispose();
  });

  test("measures nothing lost and the cost of all blocks when a candidate keeps everything", async () => {
    const seen: MInferenceFigures[] = [];
    const whole: readonly MInferencePattern[] = [
      ["vertical_and_slash", 0, LENGTH],
      ["block_sparse", 19, 1],
      ["stream_llm", LENGTH, 0],
    ];
    const one = sample();
    await minference.calibrate(device, [one], {
      candidates: whole,
      settings,
      onLayer: (_, figures) => seen.push(figures),
    });
    const all = 8 * 19 * 20 / 2;
    assertEquals(seen[0]!.costs, [[all, all, all], [all, all, all]]);
    assertEquals(seen[0]!.errors, [[0, 0, 0], [0, 0, 0]]);
    assertEquals(seen[0]!.recalls.flat().every((recall) => Math.abs(recall - 1) < 1e-5), true);
    for (const tensor of Object.values(one)) tensor.dispose();
  });

  test("takes the first candidate when several are as good", async () => {
    const one = sample();
    const { layers } = await minference.calibrate(device, [one], {
      candidates: [["stream_llm", 150, 1], ["stream_llm", 150, 2]],
      settings,
    });
    assertEquals(layers[0], { "0": ["stream_llm", 150, 1, 0], "1": ["stream_llm", 150, 1, 0] });
    for (const tensor of Object.values(one)) tensor.dispose();
  });

  test("stops with the reason of its signal", async () => {
    const one = sample();
    const before = device.report.tensors;
    const abort = new AbortController();
    const layers: number[] = [];
    const run = minference.calibrate(device, [one, one], {
      candidates,
      settings,
      signal: abort.signal,
      onLayer(layer) {
        layers.push(layer);
        abort.abort(new TypeError("enough"));
      },
    });
    await assertRejects(() => run, TypeError, "enough");
    assertEquals([layers, device.report.tensors], [[0], before]);
    for (const tensor of Object.values(one)) tensor.dispose();
  });

  test("refuses options that are out of range", async () => {
    const one = sample();
    const wrong: MInferenceSearchOptions[] = [
      { candidates: [] },
      { candidates: [["block_sparse", 0, 1]] },
      { tol: -1 },
      { rowStart: LENGTH },
      { settings: { blockSize: 0 } },
    ];
    for (const options of wrong) {
      await assertRejects(() => minference.calibrate(device, [one], options), RangeError);
    }
    for (const tensor of Object.values(one)) tensor.dispose();
  });
});
