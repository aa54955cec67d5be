/**
 * Asks the recall model about a text of 8192 tokens with every key and value at hand, then with a sixteenth of the tokens read of a cache that is half as large, and shows
 * what each answers and holds.
 *
 *     deno run -A examples/sparse_generation.ts        (or: bun examples/sparse_generation.ts)
 *
 * @module
 */
import { bitmap, calibrate, CausalLM, dense, doubleSparsity, openDevice } from "../mod.ts";
import { recallText } from "../sdk/lm/recall/tasks.ts";

const device = await openDevice();
const model = new URL("../sdk/lm/recall", import.meta.url);
const lm = await CausalLM.load(model, { device, cache: dense({ type: "f16" }) });

// 8192 tokens of facts among filler; the questions at the end are asked one by one.
const { ids, questions } = recallText({
  task: "records",
  tokens: 8192,
  statements: 200,
  questions: 6,
  seed: 7,
});
const begin = questions[0]!.at;
const words = (some: ArrayLike<number>): string => lm.tokenizer!.decode(Array.from(some));

const profile = await calibrate(lm, [
  recallText({ task: "records", tokens: 512, statements: 20, seed: 1 }).ids,
]);
const small = lm.with({ cache: bitmap(), select: doubleSparsity({ profile, tokenRatio: 1 / 16 }) });

for (const [name, own] of [["everything", lm], ["a sixteenth, of bitmaps", small]] as const) {
  const start = performance.now();
  const prompt = own.sequence();
  (await own.prefill(prompt, ids.slice(0, begin))).dispose();
  console.log(`\n${name}: ${begin} tokens read in ${((performance.now() - start) / 1000).toFixed(1)} s`);
  for (const { at, answerAt, answer } of questions) {
    // Every question goes on from the same prompt.
    const sequence = prompt.fork();
    let text = "";
    let speed = "";
    for await (const piece of own.generate([...ids.slice(at, answerAt)], { from: sequence, maxTokens: 8 })) {
      text += piece.text;
      if (piece.usage) {
        const { completionTokens, decodeMs, kvBytes } = piece.usage;
        speed = `${((completionTokens - 1) / decodeMs * 1000).toFixed(0)} tokens/s, ${
          (kvBytes / 1e6).toFixed(1)
        } MB`;
      }
    }
    console.log(
      `  ${words(ids.slice(at, answerAt)).padEnd(24)} -> ${text.padEnd(12)} (expected ${
        words(answer)
      }; ${speed})`,
    );
    sequence.dispose();
  }
  prompt.dispose();
}
device.dispose();
