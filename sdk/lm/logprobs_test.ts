import { describe, test } from "node:test";
import { openDevice, scoped } from "../device/mod.ts";
import { assertAlmostEquals, assertEquals, assertRejects } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { FakeModel } from "./_fake_test_model.ts";
import { generate, generateMany, type IndexedPiece } from "./generate.ts";
import type { GenerateManyOptions } from "./generate_options.ts";
import { logprobsOf, tokenLogprob } from "./logprobs.ts";

/** Log-softmax from its definition. */
function logSoftmax(logits: readonly number[]): number[] {
  const most = Math.max(...logits);
  const total = Math.log(logits.reduce((sum, x) => sum + Math.exp(x - most), 0));
  return logits.map((x) => x - most - total);
}

async function collect(
  lm: FakeModel,
  prompts: number[][],
  options: GenerateManyOptions,
): Promise<IndexedPiece[]> {
  const pieces: IndexedPiece[] = [];
  for await (const piece of generateMany(lm, prompts, options)) pieces.push(piece);
  return pieces;
}

describe("logprobsOf()", () => {
  for (const kind of ["reference", "wasm"] as const) {
    test(`it gives the log-softmax of every row (${kind})`, async () => {
      using device = await openDevice({ prefer: kind });
      for (const [rows, vocab, k] of [[1, 5, 5], [3, 70, 4], [2, 9, 0]] as const) {
        const values = random(7).normals(rows * vocab, 30);
        // As far from all others as logits get: its probability is 0, its logarithm is not.
        values[1] = -3000;
        const drawn = [1, vocab - 1, 2].slice(0, rows);
        const logits = device.tensor(values, [rows, vocab]);
        const ids = device.tensor(Int32Array.from(drawn), [rows]);
        const figures = await scoped(device, (s) => logprobsOf(s, logits, ids, k)).read();
        for (const [row, id] of drawn.entries()) {
          const wanted = logSoftmax([...values.subarray(row * vocab, (row + 1) * vocab)]);
          const { logprob, top } = tokenLogprob(figures, row, k);
          assertAlmostEquals(logprob, wanted[id]!, Math.abs(wanted[id]!) * 1e-5 + 1e-5);
          const order = [...wanted.keys()].sort((a, b) => wanted[b]! - wanted[a]!).slice(0, k);
          assertEquals(top.map(({ id }) => id), order);
          for (const { id, logprob } of top) {
            assertAlmostEquals(logprob, wanted[id]!, Math.abs(wanted[id]!) * 1e-5 + 1e-5);
          }
        }
      }
    });
  }
});

describe("generation with log probabilities", () => {
  test("every token has its own, in the same pieces and however many are read at once", async () => {
    using device = await openDevice({ prefer: "reference" });
    const prompts = [[1, 2], [3]];
    const options = { maxTokens: 20, temperature: 1.3, seed: 3, eosIds: [9] };
    const lm = new FakeModel(device);
    for (const readEvery of [1, 6]) {
      const plain = await collect(lm, prompts, { ...options, readEvery });
      const told = await collect(lm, prompts, { ...options, readEvery, logprobs: 3 });
      assertEquals(told.map(({ index, ids, finishReason }) => [index, ids, finishReason]), [
        ...plain.map(({ index, ids, finishReason }) => [index, ids, finishReason]),
      ]);
      assertEquals(plain.some((piece) => "logprobs" in piece), false);
      for (const [index, prompt] of prompts.entries()) {
        const own = told.filter((piece) => piece.index === index);
        const text = [...prompt];
        for (const { ids, logprobs } of own) {
          assertEquals(logprobs!.length, ids.length);
          for (const [at, id] of ids.entries()) {
            const sequence = lm.sequence();
            const logits = await lm.prefill(sequence, Int32Array.from(text));
            const wanted = logSoftmax([...await logits.read()]);
            const { logprob, top } = logprobs![at]!;
            assertAlmostEquals(logprob, wanted[id]!, 1e-5);
            assertEquals(top.length, 3);
            assertAlmostEquals(top[0]!.logprob, Math.max(...wanted), 1e-5);
            logits.dispose();
            sequence.dispose();
            text.push(id);
          }
        }
      }
    }
  });

  test("memory is given back, after an early return too", async () => {
    using device = await openDevice({ prefer: "reference" });
    const lm = new FakeModel(device);
    const { tensors } = device.report;
    for (const readEvery of [1, 4]) {
      await collect(lm, [[1]], { maxTokens: 9, readEvery, logprobs: 0 });
      let left = 3;
      for await (const _ of generate(lm, [1], { readEvery, logprobs: 2 })) if (--left === 0) break;
    }
    assertEquals([device.report.tensors, lm.gone], [tensors, lm.made]);
  });

  test("more than the vocabulary has are refused", async () => {
    using device = await openDevice({ prefer: "reference" });
    const lm = new FakeModel(device);
    for (const logprobs of [-1, 0.5, 17]) {
      await assertRejects(() => collect(lm, [[1]], { logprobs }), RangeError, `"logprobs" is ${logprobs}`);
    }
  });
});
