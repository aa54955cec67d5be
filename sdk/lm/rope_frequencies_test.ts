import { describe, test } from "node:test";
import { assertAlmostEquals, assertEquals } from "../testing/assert.ts";
import { ropeFrequencies } from "./rope_frequencies.ts";

describe("ropeFrequencies()", () => {
  test("falls from 1 by powers of the base", () => {
    const found = ropeFrequencies({ theta: 10000, scaling: { type: "default" } }, 8);
    assertEquals(found, Float32Array.of(1, 0.1, 0.01, 0.001));
  });

  test("divides all by the factor when scaled linearly", () => {
    const found = ropeFrequencies({ theta: 10000, scaling: { type: "linear", factor: 4 } }, 4);
    assertEquals(found, Float32Array.of(0.25, 0.0025));
  });

  test("keeps short waves, stretches long ones and mixes those between as Llama 3.1 does", () => {
    const scaling = { type: "llama3", factor: 8, lowFactor: 1, highFactor: 4, originalLength: 8192 } as const;
    const theta = 500000;
    const found = ropeFrequencies({ theta, scaling }, 128);
    const plain = ropeFrequencies({ theta, scaling: { type: "default" } }, 128);
    // Turns of the original context: 8192 f / (2 pi) is 4 near pair 28, 1 near pair 35.
    assertEquals(found.subarray(0, 29), plain.subarray(0, 29));
    assertEquals(found.subarray(35), plain.subarray(35).map((frequency) => frequency / 8));
    const turns = 8192 * plain[32]! / (2 * Math.PI);
    const share = (turns - 1) / 3;
    assertAlmostEquals(found[32]!, (1 - share) * plain[32]! / 8 + share * plain[32]!, 1e-9);
  });
});
