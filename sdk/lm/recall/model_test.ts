import { describe, test } from "node:test";
import { bitmap, dense, offload } from "../../cache/mod.ts";
import { DEVICES } from "../../methods/_test_heads.ts";
import { doubleSparsity } from "../../methods/double_sparsity.ts";
import { assertEquals } from "../../testing/assert.ts";
import { calibrate } from "../calibrate.ts";
import { CausalLM } from "../causal_lm.ts";
import { answerQuestions } from "./evaluate.ts";
import { type RecallTask, recallText } from "./tasks.ts";

const device = DEVICES["wasm"]!;
const lm = await CausalLM.load(new URL(".", import.meta.url), { device });
const profile = await calibrate(lm, [
  recallText({ task: "records", tokens: 512, statements: 20, seed: 2 }).ids,
]);
const select = doubleSparsity({ profile, tokenRatio: 1 / 16 });

/** Share of right answers over texts of 2048 tokens. */
async function share(own: CausalLM, task: RecallTask): Promise<number> {
  const { answers } = await answerQuestions(
    own,
    recallText({ task, tokens: 2048, statements: 64, questions: 32, seed: 3 }),
  );
  return answers.filter(({ right }) => right).length / answers.length;
}

describe("The recall model", () => {
  for (const task of ["pairs", "records"] as const) {
    test(`answers ${task} from the whole cache, and no worse from a sparse one`, async () => {
      assertEquals(await share(lm, task), 1);
      assertEquals(await share(lm.with({ cache: bitmap() }), task) >= 0.99, true);
      assertEquals(await share(lm.with({ cache: dense(), select }), task) >= 0.99, true);
      assertEquals(await share(lm.with({ cache: bitmap(), select }), task) >= 0.99, true);
    });
  }

  test("loses its answers where only the newest tokens are read", async () => {
    const { streaming } = await import("../../methods/streaming.ts");
    const band = streaming({ sink: 4, window: 128 });
    assertEquals(await share(lm.with({ select: band }), "pairs") < 0.5, true);
  });

  test("answers over an offloaded cache in the same words", async () => {
    const { ids, questions } = recallText({
      task: "pairs",
      tokens: 1024,
      statements: 20,
      questions: 1,
      seed: 5,
    });
    const away = lm.with({ cache: offload({ of: dense({ type: "f16" }) }), select });
    let answer = "";
    for await (const piece of away.generate([...ids.slice(0, questions[0]!.answerAt)], { maxTokens: 4 })) {
      answer += piece.text;
    }
    assertEquals(answer, lm.tokenizer!.decode([...questions[0]!.answer]));
  });
});
