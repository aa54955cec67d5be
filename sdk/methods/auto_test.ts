import { describe, test } from "node:test";
import { attention } from "../attention/attention.ts";
import { createDevice } from "../device/core_device.ts";
import { openReference } from "../device/reference/mod.ts";
import { assertAlmostEquals, assertEquals, assertThrows } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { auto, AUTO_PLANNERS, type CostCurve } from "./auto.ts";
import { CURVES } from "./auto_curves.ts";

const curve: CostCurve = {
  device: "reference",
  adapter: "made up",
  headDim: 64,
  lengths: [100, 1000, 10_000],
  denseMs: [1, 100, 10_000],
  methods: {
    flexPrefill: { ms: [10, 50, 500], recall: [1, 0.97, 0.96] },
    anchorAttention: { ms: [10, 30, 300], recall: [1, 0.9, 0.8] },
    unknownMethod: { ms: [0, 0, 0], recall: [1, 1, 1] },
  },
};
const options = { curves: [curve] };
const device = "reference" as const;

describe("auto", () => {
  test("chooses dense where methods cost more", () => {
    assertEquals(auto.choose({ length: 100, headDim: 64, device }, options).method, "dense");
  });

  test("chooses the fastest method of the wanted quality", () => {
    const question = { length: 1000, headDim: 64, device };
    assertEquals(auto.choose(question, options).method, "flexPrefill");
    assertEquals(auto.choose(question, { ...options, quality: 0.9 }).method, "anchorAttention");
    assertEquals(auto.choose(question, { ...options, quality: 0.99 }).method, "dense");
    assertEquals(auto.choose(question, { ...options, speedUp: 2.5 }).method, "dense");
  });

  test("expects times between and beyond the measured lengths by their powers", () => {
    const between = auto.choose({ length: Math.sqrt(1e7), headDim: 64, device }, options);
    assertAlmostEquals(between.denseMs!, 1000, 1e-6);
    const beyond = auto.choose({ length: 1e5, headDim: 64, device }, options);
    assertAlmostEquals(beyond.denseMs!, 1e6, 1);
    assertAlmostEquals(beyond.ms!, 5000, 1e-2);
  });

  test("takes the curve of the nearest head width and of the device", () => {
    const wide = { ...curve, headDim: 256, methods: {} };
    const choose = (headDim: number, kind: "reference" | "wasm"): string =>
      auto.choose({ length: 1000, headDim, device: kind }, { curves: [wide, curve] }).method;
    assertEquals([choose(80, "reference"), choose(200, "reference"), choose(64, "wasm")], [
      "flexPrefill",
      "dense",
      "dense",
    ]);
  });

  test("plans by what it chooses", async () => {
    using d = createDevice(openReference());
    const r = random(1);
    const [q, k] = [d.tensor(r.normals(300 * 8), [1, 300, 8]), d.tensor(r.normals(300 * 8), [1, 300, 8])];
    const cheap = { ...curve, methods: { pbsAttn: { ms: [0, 0, 0], recall: [1, 1, 1] } } };
    using plan = auto({ curves: [cheap] }).plan(d, q, k);
    using own = AUTO_PLANNERS.pbsAttn!().plan(d, q, k);
    assertEquals(plan.kind, "sparse");
    assertEquals(await plan.mask(), await own.mask());
    using dense = auto({ curves: [] }).plan(d, q, k);
    assertEquals([dense.kind, attention(d, q, k, k, { plan: dense }).out.shape], ["dense", [1, 300, 8]]);
  });

  test("refuses a quality that is no share and a speed-up below 0", () => {
    assertThrows(() => auto({ quality: 1.5 }), RangeError, "a share from 0 to 1");
    assertThrows(() => auto({ speedUp: 0 }), RangeError, "above 0");
  });

  test("has curves of methods that it knows, as long as their lengths", () => {
    for (const { lengths, denseMs, methods } of CURVES) {
      assertEquals(denseMs.length, lengths.length);
      for (const [name, { ms, recall }] of Object.entries(methods)) {
        assertEquals([Object.hasOwn(AUTO_PLANNERS, name), ms.length, recall.length], [
          true,
          lengths.length,
          lengths.length,
        ]);
      }
    }
    assertEquals(CURVES.length > 0, true);
  });
});
