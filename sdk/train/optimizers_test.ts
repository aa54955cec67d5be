import { describe, test } from "node:test";
import { createDevice } from "../device/core_device.ts";
import { openReference } from "../device/reference/mod.ts";
import { assertAlmostEquals, assertEquals, assertLess } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { adamW, cosineRate, type Optimizer, sgd } from "./optimizers.ts";

const device = createDevice(openReference());

/** Weights after some steps with given gradients. */
async function run(
  optimizer: Optimizer,
  weights: Float32Array,
  gradients: readonly Float32Array[],
): Promise<Float32Array> {
  using d = device.scope();
  const shape = [weights.length];
  let state = [weights, ...Array.from({ length: optimizer.moments }, () => new Float32Array(weights.length))]
    .map((data) => d.tensor(data, shape));
  gradients.forEach((gradient, step) => state = optimizer.update(d, state, d.tensor(gradient, shape), step));
  return await state[0]!.read();
}

describe("optimisers", () => {
  const source = random(1);
  const weights = source.normals(5);
  const gradients = Array.from({ length: 4 }, () => source.normals(5));

  test("sgd goes down the gradient by the rate of the step", async () => {
    const found = await run(sgd((step) => 0.1 * (step + 1)), weights, gradients);
    found.forEach((value, i) => {
      const moved = gradients.reduce((sum, gradient, step) => sum + 0.1 * (step + 1) * gradient[i]!, 0);
      assertAlmostEquals(value, weights[i]! - moved, 1e-6);
    });
  });

  test("adamW moves as its definition says", async () => {
    const options = { rate: 0.01, betas: [0.8, 0.95], epsilon: 1e-6, decay: 0.1 } as const;
    const found = await run(adamW(options), weights, gradients);
    found.forEach((value, i) => {
      let [w, m, v] = [weights[i]!, 0, 0];
      gradients.forEach((gradient, step) => {
        m = 0.8 * m + 0.2 * gradient[i]!;
        v = 0.95 * v + 0.05 * gradient[i]! ** 2;
        const towards = m / (1 - 0.8 ** (step + 1)) / (Math.sqrt(v / (1 - 0.95 ** (step + 1))) + 1e-6);
        w -= 0.01 * 0.1 * w + 0.01 * towards;
      });
      assertAlmostEquals(value, w, 1e-6);
    });
  });

  test("cosineRate rises in a line, then falls to almost nothing", () => {
    const rates = Array.from({ length: 100 }, (_, step) => cosineRate(1, 100, 20)(step));
    assertEquals(rates[20], 1);
    rates.forEach((rate, step) =>
      assertEquals(step === 0 || (rate > rates[step - 1]!) === (step <= 20), true)
    );
    assertAlmostEquals(rates[60]!, 0.5, 1e-12);
    assertLess(rates[99]!, 0.001);
  });
});
