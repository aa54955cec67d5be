import { describe, test } from "node:test";
import { assertEquals, assertRejects } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { DEVICES } from "./_test_heads.ts";
import { moa } from "./moa.ts";
import type { MoaCalibrateOptions, MoaSample } from "./moa_calibrate.ts";
import { densityOf, type MoaPlan } from "./moa_plan.ts";

const OPTIONS: Partial<MoaCalibrateOptions> = {
  profileLengths: [64, 128],
  extendLengths: [256],
  alphas: [-32, 0, 32, 64],
  betas: [0, 0.25, 0.5, 0.75, 1],
  lowerRatio: 0.6,
  blockSize: 8,
};

for (const [name, device] of Object.entries(DEVICES)) {
  describe(`moa.calibrate() on ${name}`, () => {
    /** Two layers, four query heads of two key heads; the first key head of a layer looks far back, the second at itself. */
    function* samples(
      lengths: readonly number[] = [64, 100, 128],
      layers: readonly number[] = [0, 1],
    ): Generator<MoaSample> {
      const r = random(1);
      for (const length of lengths) {
        for (const layer of layers) {
          using d = device.scope();
          const [q, k] = [new Float32Array(4 * length * 2), new Float32Array(2 * length * 2)];
          for (let at = 0; at < 2 * length; at++) {
            // Early and late keys point in two directions.
            k[2 * at + (at % length < length / 3 ? 0 : 1)] = 4;
          }
          for (let at = 0; at < 4 * length; at++) q[2 * at + (at < 2 * length ? 0 : 1)] = 4;
          const [v, grad] = [r.normals(k.length), r.normals(q.length)];
          yield {
            layer,
            q: d.tensor(q, [4, length, 2]),
            k: d.tensor(k, [2, length, 2]),
            v: d.tensor(v, [2, length, 2]),
            gradOut: d.tensor(grad, [4, length, 2]),
          };
        }
      }
    }

    test("gives longer spans to the heads that look farther, and equal ones to those that share keys", async () => {
      const before = device.report.tensors;
      const plan = await moa.calibrate(device, samples(), OPTIONS);
      assertEquals(device.report.tensors, before);
      for (const [layer, alphas] of plan.alphas.entries()) {
        const spans = alphas.map((alpha, h) => alpha + plan.betas[layer]![h]! * 128);
        assertEquals([spans[0], spans[2]], [spans[1], spans[3]]);
        assertEquals(spans[0]! > spans[2]!, true, `${spans}`);
      }
      assertEquals(densityOf(plan, 128) <= 0.5, true);
      assertEquals(moa({ plan, layer: 1, blockSize: 8 }).name, "moa");
    });

    test("takes the candidate that does best on other texts, where asked", async () => {
      const tried: MoaPlan[] = [];
      const validate = (plan: MoaPlan): Promise<number> => Promise.resolve(-tried.push(plan));
      const plan = await moa.calibrate(device, samples(), { ...OPTIONS, validate });
      assertEquals(plan, tried.at(-1));
    });

    test("refuses samples that are too long, missing or of the wrong layer", async () => {
      const calibrate = (given: Iterable<MoaSample>): Promise<MoaPlan> =>
        moa.calibrate(device, given, OPTIONS);
      await assertRejects(() => calibrate(samples([64, 129])), RangeError, "129 tokens");
      await assertRejects(() => calibrate(samples([64])), RangeError, "Cannot calibrate moa");
      await assertRejects(() => calibrate(samples([64, 128], [0, 2])), RangeError, "no sample");
      await assertRejects(() => calibrate([]), RangeError, "Cannot calibrate moa");
      await assertRejects(() => calibrate(samples([64, 128], [0.5])), RangeError, "layer");
    });
  });
}
