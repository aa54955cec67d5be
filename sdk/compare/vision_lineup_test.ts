import { describe, test } from "node:test";
import { openWasm } from "../../wasm/mod.ts";
import { createDevice } from "../device/core_device.ts";
import { randomPredictor } from "../methods/_test_sparsifiner.ts";
import { assertEquals, assertLess } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { compareMethods } from "./compare.ts";
import { structured } from "./structured.ts";
import { videoSample, visionLineup } from "./vision_lineup.ts";

const device = createDevice((await openWasm({ threads: 1 })).backend);

describe("visionLineup", () => {
  test("keeps most of a video's attention with few keys, by every method for videos", async () => {
    const sample = videoSample(0);
    const planners = await visionLineup(device, sample);
    assertEquals(Object.keys(planners), [
      "sparseD",
      "adaSpa",
      "paroAttention",
      "sparseVdit",
      "efficientVdit",
    ]);
    const { rows, causal } = await compareMethods(device, sample, planners, { repeats: 1, queries: 16 });
    assertEquals(causal, false);
    for (const { density, recall } of rows) {
      assertLess(density, 0.6);
      assertLess(0.9, recall);
    }
    assertEquals(device.report.tensors, 0);
  });

  test("has Sparsifiner where there is a predictor, and no method for videos without a grid", async () => {
    const sample = { ...structured({ length: 100, heads: 4, kvHeads: 2, headDim: 32 }), causal: false };
    const sizes = { tokens: 100, headDim: 32, channels: 4, vectors: 5 };
    const predictor = randomPredictor(random(1), sizes);
    const planners = await visionLineup(device, { ...sample, predictor });
    assertEquals(Object.keys(planners), ["sparseD", "adaSpa", "sparsifiner"]);
    const { rows } = await compareMethods(device, sample, planners, { repeats: 1 });
    for (const { density, recall, oracle } of rows) {
      assertLess(density, 0.6);
      assertLess(recall, oracle + 1e-6);
    }
  });
});
