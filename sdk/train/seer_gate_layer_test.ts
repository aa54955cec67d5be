import { describe, test } from "node:test";
import { poolInputs, uploadWeights } from "../methods/seer_attention_forward.ts";
import { SeerGate } from "../methods/seer_attention_gate.ts";
import { DEVICES, type Heads, keys, queries, randomHeads } from "../methods/_test_heads.ts";
import { gateLogits, GATES, randomGate, shares } from "../methods/_test_seer.ts";
import { assertAlmostEquals, assertEquals, assertLess } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { seerGateLayer } from "./seer_gate_layer.ts";
import { seerLoss } from "./seer_loss.ts";

/** Shares of blocks that rows of a random map might have, [heads, n, n]. */
function randomTarget(seed: number, heads: number, n: number): Float32Array<ArrayBuffer> {
  const source = random(seed);
  return Float32Array.from(
    Array.from({ length: heads * n }, (_, row) => {
      const values = Array.from({ length: row % n + 1 }, () => 3 * source.normal());
      // An exact 0 among the visible blocks: the row's sum stays 1.
      const share = values.length > 2 ? [...shares(values.slice(1)), 0] : shares(values);
      return [...share, ...new Array(n - share.length).fill(0)];
    }).flat(),
  );
}

/** The divergence as the definition says, in float64. */
function divergence(gate: SeerGate, sample: Heads, target: Float32Array): number {
  const logits = gateLogits(gate, sample);
  const n = logits[0]!.length;
  const skipped = Math.floor(n / 4);
  let sum = 0;
  logits.forEach((head, h) =>
    head.forEach((row, r) => {
      if (r < skipped) return;
      shares(row).forEach((share, c) => {
        const want = target[(h * n + r) * n + c]!;
        if (want > 0) sum += want * (Math.log(want) - Math.log(share));
      });
    })
  );
  return sum / (logits.length * (n - skipped) * n);
}

for (const [name, device] of Object.entries(DEVICES)) {
  describe(`seerGateLayer and seerLoss on ${name}`, () => {
    for (const [seed, [config, double]] of GATES.entries()) {
      test(`give the divergence and its slopes: gate ${seed}`, async () => {
        const gate = randomGate(random(seed), config, double);
        const length = 6 * config.blockSize - Math.min(3, config.blockSize - 1);
        const sample = randomHeads(random(seed + 10), { ...config, lq: length, lk: length });
        const target = randomTarget(seed, config.heads, 6);
        const before = device.report.tensors;
        using d = device.scope();
        const goal = d.tensor(target, [config.heads, 6, 6]);
        const pooled = poolInputs(d, config, queries(d, sample), keys(d, sample));
        const context = seerGateLayer.forward(d, config, uploadWeights(d, gate), pooled);
        const [loss] = await seerLoss.forward(d, context.logits, goal).read();
        assertAlmostEquals(loss!, divergence(gate, sample, target), 1e-5 * Math.max(1, loss!));

        const scale = 7;
        const slopes = seerGateLayer.backward(
          d,
          config,
          context,
          seerLoss.backward(d, context.logits, goal, scale),
        );
        assertEquals(slopes.wq === undefined, !double);
        for (const key of ["wk", "wq"] as const) {
          const weights = gate[key];
          if (!weights) continue;
          const found = await slopes[key]!.read();
          assertEquals(found.length, weights.length);
          const largest = found.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
          for (const at of random(seed).ints(12, 0, weights.length)) {
            const moved = [1e-2, -1e-2].map((by) => {
              const shifted = Float32Array.from(weights);
              shifted[at] = weights[at]! + by;
              const other = new SeerGate(config, { wk: gate.wk, wq: gate.wq, [key]: shifted });
              return { at: shifted[at]!, value: divergence(other, sample, target) };
            });
            const slope = scale * (moved[0]!.value - moved[1]!.value) / (moved[0]!.at - moved[1]!.at);
            assertLess(Math.abs(found[at]! - slope), 2e-3 * largest + 1e-9);
          }
        }
        d.dispose();
        assertEquals(device.report.tensors, before);
      });
    }

    test("leave out the first quarter of the rows and later blocks", async () => {
      using d = device.scope();
      const n = 9;
      const logits = d.tensor(random(1).normals(2 * n * n, 5), [2, n, n]);
      const target = d.tensor(randomTarget(2, 2, n), [2, n, n]);
      const slopes = await seerLoss.backward(d, logits, target, 10).read();
      slopes.forEach((slope, i) => {
        const [r, c] = [Math.floor(i / n) % n, i % n];
        assertEquals(slope !== 0, r >= 2 && c <= r);
      });
    });

    test("stay finite for scores that are far apart", async () => {
      using d = device.scope();
      const logits = d.tensor(Float32Array.of(0, 0, 0, 500), [1, 2, 2]);
      const target = d.tensor(Float32Array.of(1, 0, 1, 0), [1, 2, 2]);
      assertAlmostEquals((await seerLoss.forward(d, logits, target).read())[0]!, 500 / 4, 1e-3);
    });
  });
}
