import { describe, test } from "node:test";
import { assertAlmostEquals, assertEquals, assertThrows } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { DEVICES } from "./_test_heads.ts";
import { jumpFactors, segmentStep, segmentTarget } from "./efficient_vdit_segments.ts";

/** A cosine schedule. */
function schedule(steps: number): { alpha: Float64Array; sigma: Float64Array } {
  const angle = (t: number): number => t / steps * Math.PI / 2 * 0.98;
  return {
    alpha: Float64Array.from({ length: steps + 1 }, (_, t) => Math.cos(angle(t))),
    sigma: Float64Array.from({ length: steps + 1 }, (_, t) => Math.sin(angle(t))),
  };
}

describe("segmentTarget()", () => {
  test("gives the lower end of the segment of a time", () => {
    const times = [1, 3, 6, 7, 12, 13, 24];
    assertEquals(times.map((t) => segmentTarget(t, { steps: 24, segments: 4 })), [0, 0, 0, 6, 6, 12, 18]);
  });

  test("refuses zero steps, segments of different sizes and times outside", () => {
    assertThrows(() => segmentTarget(1, { steps: 0, segments: 1 }), RangeError, "steps");
    assertThrows(() => segmentTarget(1, { steps: 24, segments: 0 }), RangeError, "segments");
    assertThrows(() => segmentTarget(1, { steps: 24, segments: 5 }), RangeError, "divisor");
    for (const t of [0, 25, 1.5]) {
      assertThrows(() => segmentTarget(t, { steps: 24, segments: 4 }), RangeError, "from 1 to 24");
    }
  });
});

for (const [name, device] of Object.entries(DEVICES)) {
  describe(`segmentStep() on ${name}`, () => {
    const steps = 12;
    const options = { ...schedule(steps), steps, segments: 3 };

    test("moves along the noise of a sample whose clean form is known", async () => {
      using d = device.scope();
      const source = random(2);
      const [x, noise] = [source.normals(4 * 6), source.normals(4 * 6)];
      const times = [12, 7, 5, 1];
      const at = (time: readonly number[]): Float32Array<ArrayBuffer> =>
        x.map((value, i) => {
          const t = time[Math.floor(i / 6)]!;
          return options.alpha[t]! * value + options.sigma[t]! * noise[i]!;
        });
      const z = d.tensor(at(times), [4, 2, 3]);
      const jumped = segmentStep(d, z, d.tensor(x, [4, 2, 3]), times, options);
      assertEquals(jumped.shape, [4, 2, 3]);
      const expected = at([8, 4, 4, 0]);
      (await jumped.read()).forEach((value, i) => assertAlmostEquals(value, expected[i]!, 1e-5));
    });

    test("gives the clean sample at time 0", async () => {
      using d = device.scope();
      const [z, x] = [d.tensor(Float32Array.of(5, -7), [1, 2]), d.tensor(Float32Array.of(1, 2), [1, 2])];
      assertEquals([...await segmentStep(d, z, x, 3, options).read()], [1, 2]);
    });

    test("refuses samples and times that do not fit", () => {
      using d = device.scope();
      const z = d.tensor(new Float32Array(4), [2, 2]);
      assertThrows(() => segmentStep(d, z, z, [1], options), RangeError, "one time");
      assertThrows(
        () => segmentStep(d, z, d.tensor(new Float32Array(2), [1, 2]), 1, options),
        RangeError,
        "fit",
      );
      assertThrows(() => jumpFactors(options, 13, 0), RangeError, "times 0 to 12");
    });
  });
}
