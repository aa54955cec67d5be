import { describe, test } from "node:test";
import { DEVICES } from "../methods/_test_heads.ts";
import { jumpBy, jumpFactors, segmentStep } from "../methods/efficient_vdit_segments.ts";
import { assertAlmostEquals, assertEquals, assertLess, assertRejects } from "../testing/assert.ts";
import type { Device } from "../device/device.ts";
import { firstWeights, noisyBatch, SCHEDULE, student, teacher } from "./_test_video_student.ts";
import { consistencyStep } from "./consistency_step.ts";
import { sgd } from "./optimizers.ts";

const WEIGHTS = [SCHEDULE.segments, 5] as const;

/** Loss of weights on a batch, where the target is made with other weights. */
async function lossOf(
  device: Device,
  weights: Float32Array,
  targetWeights: Float32Array,
  times: readonly number[],
): Promise<number> {
  using d = device.scope();
  const { z } = noisyBatch(d, 3, times);
  const xTeacher = await (await teacher(d, z, times)).read();
  const tokens = z.shape[1]!;
  const noisy = await z.read();
  const size = SCHEDULE.steps / SCHEDULE.segments;
  const jump = (from: number, to: number, at: number, x: number): number =>
    SCHEDULE.alpha[to]! * x + SCHEDULE.sigma[to]! / SCHEDULE.sigma[from]! * (at - SCHEDULE.alpha[from]! * x);
  const earlier = noisy.map((value, i) => {
    const t = times[Math.floor(i / tokens)]!;
    return jump(t, t - 1, value, xTeacher[i]!);
  });
  const seen = async (
    own: Float32Array,
    values: Float32Array,
    at: readonly number[],
  ): Promise<Float32Array> =>
    (await student.forward(d, [d.tensor(own, WEIGHTS)], d.tensor(values, z.shape), at)).xHat.read();
  const target = await seen(targetWeights, earlier, times.map((t) => Math.max(1, t - 1)));
  const now = await seen(weights, noisy, times);
  let sum = 0;
  for (let i = 0; i < noisy.length; i++) {
    const t = times[Math.floor(i / tokens)]!;
    const end = Math.floor((t - 1) / size) * size;
    const goal = t - 1 === end ? earlier[i]! : jump(t - 1, end, earlier[i]!, target[i]!);
    sum += (jump(t, end, noisy[i]!, now[i]!) - goal) ** 2;
  }
  return sum / noisy.length;
}

for (const [name, device] of Object.entries(DEVICES)) {
  describe(`consistencyStep() on ${name}`, () => {
    test("gives the squared distance of two jumps, and its slopes with the target held", async () => {
      const before = device.report.tensors;
      using d = device.scope();
      // First, middle and last times of both segments.
      const times = [1, 3, 4, 5, 8];
      const weights = firstWeights();
      weights[1]! += 0.2;
      const batch = noisyBatch(d, 3, times);
      const { loss, gradients } = await consistencyStep(
        ...[d, student, [d.tensor(weights, WEIGHTS)], teacher, batch, SCHEDULE] as const,
      );
      const expected = await lossOf(device, weights, weights, times);
      assertAlmostEquals((await loss.read())[0]!, expected, 1e-5 * expected);
      const slopes = await gradients[0]!.read();
      assertEquals(gradients[0]!.shape, [...WEIGHTS]);
      const largest = slopes.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      for (const at of weights.keys()) {
        const moved = [];
        for (const by of [1e-2, -1e-2]) {
          moved.push(await lossOf(device, weights.with(at, weights[at]! + by), weights, times));
        }
        assertLess(Math.abs(slopes[at]! - (moved[0]! - moved[1]!) / 2e-2), 2e-3 * largest);
      }
      d.dispose();
      assertEquals(device.report.tensors, before);
    });

    test("refuses times that do not fit", async () => {
      using d = device.scope();
      const { z } = noisyBatch(d, 1, [2, 3]);
      const weights = [d.tensor(firstWeights(), WEIGHTS)];
      const run = (times: readonly number[]) =>
        consistencyStep(d, student, weights, teacher, { z, times }, SCHEDULE);
      await assertRejects(() => run([2]), RangeError, "a time for each");
      await assertRejects(() => run([2, 9]), RangeError, "from 1 to 8");
      await assertRejects(() => run([0, 2]), RangeError, "from 1 to 8");
    });
  });
}

describe("consistencyStep()", () => {
  test("teaches a student with sparse attention to do in two steps what the teacher does in eight", async () => {
    using d = DEVICES["wasm"]!.scope();
    const optimizer = sgd(0.5);
    let weights = d.tensor(firstWeights(), WEIGHTS);
    const first = weights;
    for (let step = 0; step < 60; step++) {
      using s = d.scope();
      const times = [1, 2, 3, 4, 5, 6, 7, 8].map((t) => (t + step) % 8 + 1);
      const batch = noisyBatch(s, 10 + step % 6, times);
      const { gradients } = await consistencyStep(s, student, [weights], teacher, batch, SCHEDULE);
      weights = s.keep(optimizer.update(s, [weights], gradients[0]!, step)[0]!);
    }
    // Videos that it did not see, from all noise to none.
    const { z } = noisyBatch(d, 50, [8, 8]);
    let slow = z;
    for (let t = 8; t > 0; t--) {
      const jump = jumpFactors(SCHEDULE, t, t - 1);
      slow = jumpBy(d, slow, await teacher(d, slow, [t, t]), [jump, jump]);
    }
    const goal = await slow.read();
    const missed = async (own: typeof weights): Promise<number> => {
      let fast = z;
      for (const t of [8, 4]) {
        fast = segmentStep(d, fast, (await student.forward(d, [own], fast, [t, t])).xHat, t, SCHEDULE);
      }
      const found = await fast.read();
      return found.reduce((sum, value, i) => sum + (value - goal[i]!) ** 2, 0) / goal.length;
    };
    const [untrained, trained] = [await missed(first), await missed(weights)];
    assertLess(trained, 0.6 * untrained);
  });
});
