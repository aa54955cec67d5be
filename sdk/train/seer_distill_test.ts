import { describe, test } from "node:test";
import { concat } from "../device/ops/concat.ts";
import { rope } from "../device/ops/rope.ts";
import type { Device } from "../device/device.ts";
import type { Tensor } from "../device/tensor.ts";
import { pbsAttn } from "../methods/pbs_attn.ts";
import { seerAttention } from "../methods/seer_attention.ts";
import { DEVICES, keys, queries, randomHeads } from "../methods/_test_heads.ts";
import { GATES, randomGate } from "../methods/_test_seer.ts";
import { assertEquals, assertLess, assertRejects } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { sgd } from "./optimizers.ts";
import { distill, type SeerSample } from "./seer_distill.ts";
import { initSeerGate } from "./seer_init.ts";

const config = {
  heads: 2,
  kvHeads: 1,
  headDim: 8,
  hidden: 8,
  blockSize: 8,
  qPool: ["avg"],
  kPool: ["max", "min", "avg"],
  ropeTheta: 10_000,
} as const;

/** Texts of which some keys stand out in one direction, which queries follow. */
function sampleOf(d: Device, seed: number, length = 128): SeerSample {
  const heads = randomHeads(random(seed), { ...config, lq: length, lk: length });
  const source = random(seed);
  for (let at = 0; at < heads.q.length; at++) heads.q[at] = 0.5 * heads.q[at]! + (at % 8 === 7 ? 4 : 0);
  for (let row = 0; row < length; row++) if (source.int(0, 20) === 0) heads.k[row * 8 + 7]! += 6;
  const rotated = (x: Tensor): Tensor => {
    const freqs = d.tensor(Float32Array.from({ length: 4 }, (_, i) => 10_000 ** (-2 * i / 8)), [4]);
    return rope(d, concat(d, [x], 0), freqs, { heads: 1, headDim: 8, interleaved: false });
  };
  const [qPre, kPre] = [queries(d, heads), keys(d, heads)];
  return { qPre, kPre, q: rotated(qPre), k: rotated(kPre) };
}

for (const [name, device] of Object.entries(DEVICES)) {
  describe(`distill on ${name}`, () => {
    test("finds more of the attention than mean pooling at the same density", async () => {
      using d = device.scope();
      const samples = [1, 2, 3, 4].map((seed) => sampleOf(d, seed));
      const start = initSeerGate(config);
      const before = device.report.tensors;
      const { gate, kl } = await distill(start, samples, { steps: 60, lr: 0.02, batch: 2 });
      assertEquals(device.report.tensors, before);
      assertEquals(kl.length, 60);
      assertLess(kl.at(-1)!, 0.5 * kl[0]!);
      const { qPre, kPre, q, k } = sampleOf(d, 9);
      const pooled = pbsAttn({ blockSize: 8, segmentSize: 8, threshold: 0.5, permute: false }).plan(d, q, k);
      const learned = seerAttention({ gate, nzRatio: 0.5, lastBlockDense: false }).plan(d, qPre, kPre);
      assertLess(await learned.density(), await pooled.density());
      assertLess(await pooled.recall(q, k), await learned.recall(q, k));
    });

    test("trains both maps, and takes a last, shorter block", async () => {
      using d = device.scope();
      const start = initSeerGate(config, { double: true, seed: 3, std: 0.2 });
      const { gate, kl } = await distill(start, [sampleOf(d, 1, 61)], { steps: 5, optimizer: sgd(0.01) });
      assertEquals(kl.every((value, step) => step === 0 || value < kl[step - 1]!), true);
      assertEquals(gate.wk.every((value, i) => value === start.wk[i]), false);
      assertEquals(gate.wq!.every((value, i) => value === start.wq![i]), false);
    });

    test("does nothing in no steps", async () => {
      using d = device.scope();
      const start = initSeerGate(config, { seed: 3 });
      assertEquals(await distill(start, [sampleOf(d, 1)], { steps: 0 }), {
        gate: start,
        kl: new Float32Array(0),
      });
    });

    test("stops when it is aborted, and frees what it held", async () => {
      using d = device.scope();
      const samples = [sampleOf(d, 1)];
      const before = device.report.tensors;
      const signal = AbortSignal.abort(new Error("enough"));
      await assertRejects(() => distill(initSeerGate(config), samples, { signal }), Error, "enough");
      assertEquals(device.report.tensors, before);
    });

    test("refuses samples and options that do not fit", async () => {
      using d = device.scope();
      const gate = initSeerGate(config);
      const sample = sampleOf(d, 1);
      await assertRejects(() => distill(gate, []), RangeError, "0 samples");
      await assertRejects(() => distill(gate, [sample], { steps: 1.5 }), RangeError, "1.5 steps");
      await assertRejects(() => distill(gate, [sample], { batch: 0 }), RangeError, "0 batch");
      await assertRejects(() => distill(gate, [sample], { lossScale: NaN }), RangeError, "lossScale");
      const longer = { ...sample, kPre: sampleOf(d, 1, 136).kPre };
      await assertRejects(() => distill(gate, [longer]), RangeError, "128 queries and 136 keys");
      const other = randomGate(random(1), ...GATES[1]!);
      await assertRejects(() => distill(other, [sample]), RangeError, "made for 4 query heads");
    });
  });
}

describe("initSeerGate", () => {
  test("draws normal weights that depend on the seed alone", () => {
    const large = { ...config, headDim: 64, hidden: 64 };
    const { wk } = initSeerGate(large, { seed: 1 });
    const [same, other] = [1, 2].map((seed) => initSeerGate(large, { seed }).wk);
    assertEquals(wk.every((value, i) => value === same![i]), true);
    assertEquals(wk.filter((value, i) => value === other![i]).length < 10, true);
    const mean = wk.reduce((sum, value) => sum + value, 0) / wk.length;
    const square = wk.reduce((sum, value) => sum + value * value, 0) / wk.length;
    assertLess(Math.abs(mean), 1e-3);
    assertLess(Math.abs(Math.sqrt(square) - 0.02), 1e-3);
  });

  test("gives queries weights where they are needed", () => {
    assertEquals(initSeerGate(config).wq, undefined);
    assertEquals(initSeerGate({ ...config, hidden: 16 }).wq!.length, 2 * 8 * 16);
    assertEquals(initSeerGate(config, { double: true }).wk.length, 3 * 8 * 8);
  });
});
