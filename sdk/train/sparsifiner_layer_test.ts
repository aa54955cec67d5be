import { describe, test } from "node:test";
import type { Device } from "../device/device.ts";
import { full } from "../device/ops/fill.ts";
import { softmax } from "../device/ops/softmax.ts";
import type { Tensor } from "../device/tensor.ts";
import { DEVICES, type Heads, keys, queries, randomHeads, scoreOf } from "../methods/_test_heads.ts";
import { shares } from "../methods/_test_seer.ts";
import { coefficients, mixed, randomPredictor } from "../methods/_test_sparsifiner.ts";
import { headScores } from "../methods/scores.ts";
import { sparsifiner } from "../methods/sparsifiner.ts";
import { uploadPredictor } from "../methods/sparsifiner_forward.ts";
import { mapRecord, SparsifinerPredictor } from "../methods/sparsifiner_predictor.ts";
import { assertAlmostEquals, assertEquals, assertLess } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { adamW } from "./optimizers.ts";
import { sparsifinerLayer } from "./sparsifiner_layer.ts";
import { sparsifinerLoss } from "./sparsifiner_loss.ts";

type Teacher = readonly (readonly (readonly number[])[])[];

/** The dense map in float64. */
function teacherOf(sample: Heads): Teacher {
  const { heads, lq, lk } = sample;
  return Array.from(
    { length: heads },
    (_, h) =>
      Array.from(
        { length: lq },
        (_, i) => shares(Array.from({ length: lk }, (_, j) => scoreOf(sample, h, i, j))),
      ),
  );
}

/** The loss as the definition says, in float64. */
function lossOf(predictor: SparsifinerPredictor, sample: Heads, teacher: Teacher, weight: number): number {
  const approx = mixed(coefficients(predictor, sample), predictor.weights.restore, predictor.sizes);
  let sum = 0;
  approx.forEach((head, h) =>
    head.forEach((row, i) => row.forEach((x, j) => sum += (x - teacher[h]![i + 1]![j]!) ** 2))
  );
  return weight * sum;
}

function teacherTensor(d: Device, q: Tensor, k: Tensor): Tensor {
  return softmax(d, headScores(d, q, k, 1 / Math.sqrt(q.shape[2]!)));
}

for (const [name, device] of Object.entries(DEVICES)) {
  describe(`sparsifinerLayer and sparsifinerLoss on ${name}`, () => {
    for (const [heads, kvHeads] of [[2, 2], [4, 2], [3, 1]] as const) {
      test(`give the loss and its slopes: ${heads} query heads, ${kvHeads} key heads`, async () => {
        const sizes = { tokens: 11, headDim: 5, channels: 3, vectors: 4 };
        const sample = randomHeads(random(heads), { heads, kvHeads, lq: 11, lk: 11, headDim: 5 });
        const predictor = randomPredictor(random(7), sizes, 0.5);
        const teacher = teacherOf(sample);
        const before = device.report.tensors;
        using d = device.scope();
        const [q, k, weight] = [queries(d, sample), keys(d, sample), 0.3];
        const context = sparsifinerLayer.forward(d, uploadPredictor(d, predictor), q, k);
        const goal = d.tensor(Float32Array.from(teacher.flat(2)), [heads, 11, 11]);
        const [loss] = await sparsifinerLoss.forward(d, context.approx, goal, weight).read();
        assertAlmostEquals(loss!, lossOf(predictor, sample, teacher, weight), 1e-5 * loss!);

        const slopes = sparsifinerLayer.backward(
          d,
          context,
          sparsifinerLoss.backward(d, context.approx, goal, weight),
        );
        const inputs = { ...predictor.weights, q: sample.q, k: sample.k };
        for (const [key, values] of Object.entries(inputs)) {
          const found = await slopes[key as keyof typeof inputs].read();
          assertEquals(found.length, values.length);
          const top = found.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
          for (const at of random(1).ints(12, 0, values.length)) {
            const moved = [1e-3, -1e-3].map((by) => {
              const shifted = Float32Array.from(values);
              shifted[at] = values[at]! + by;
              const other = { ...inputs, [key]: shifted };
              const loss = lossOf(
                new SparsifinerPredictor(sizes, other),
                { ...sample, ...other },
                teacher,
                weight,
              );
              return { at: shifted[at]!, loss };
            });
            const slope = (moved[0]!.loss - moved[1]!.loss) / (moved[0]!.at - moved[1]!.at);
            assertLess(Math.abs(found[at]! - slope), 2e-3 * top);
          }
        }
        d.dispose();
        assertEquals(device.report.tensors, before);
      });
    }

    test("teach a predictor to keep more of the attention than chance", async () => {
      using d = device.scope();
      const sizes = { tokens: 40, headDim: 8, channels: 4, vectors: 8 };
      const sample = randomHeads(random(3), { heads: 2, kvHeads: 2, lq: 40, lk: 40, headDim: 8 });
      const [q, k] = [queries(d, sample), keys(d, sample)];
      const teacher = teacherTensor(d, q, k);
      const start = randomPredictor(random(4), sizes, 0.1);
      const optimizer = adamW({ rate: 0.03 });
      let states = mapRecord(uploadPredictor(d, start), (weight): Tensor[] => {
        return [weight, full(d, weight.shape, 0), full(d, weight.shape, 0)];
      });
      const losses: number[] = [];
      for (let step = 0; step < 60; step++) {
        const context = sparsifinerLayer.forward(d, mapRecord(states, ([weight]) => weight!), q, k);
        losses.push((await sparsifinerLoss.forward(d, context.approx, teacher).read())[0]!);
        const slopes = sparsifinerLayer.backward(
          d,
          context,
          sparsifinerLoss.backward(d, context.approx, teacher),
        );
        states = mapRecord(states, (state, key) => optimizer.update(d, state, slopes[key], step));
      }
      assertLess(losses.at(-1)!, 0.5 * losses[0]!);
      const read: Record<string, Float32Array> = {};
      for (const [key, [weight]] of Object.entries(states)) read[key] = await weight.read();
      const trained = new SparsifinerPredictor(sizes, { ...start.weights, ...read });
      const recallOf = async (weights: SparsifinerPredictor): Promise<number> => {
        const plan = sparsifiner({ weights }).plan(d, q, k);
        assertAlmostEquals(await plan.density(), (40 + 39 * 10) / 1600, 1e-6);
        return plan.recall(q, k);
      };
      assertLess(await recallOf(start) + 0.2, await recallOf(trained));
    });
  });
}
