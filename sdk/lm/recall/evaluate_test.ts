import { describe, test } from "node:test";
import { createDevice } from "../../device/core_device.ts";
import { openReference } from "../../device/reference/mod.ts";
import { assertEquals } from "../../testing/assert.ts";
import type { LanguageModel, Sequence } from "../language_model.ts";
import { answerQuestions } from "./evaluate.ts";
import { RECALL_IDS, recallText } from "./tasks.ts";

const device = createDevice(openReference());

/** A model that knows one text by heart, but for some places. */
function byHeart(ids: Int32Array, wrong: ReadonlySet<number>): LanguageModel {
  const vocabSize = RECALL_IDS.end;
  const lengths = new Map<Sequence, number>();
  const next = (sequence: Sequence, more: number) => {
    const length = lengths.get(sequence)! + more;
    lengths.set(sequence, length);
    const logits = new Float32Array(vocabSize);
    logits[wrong.has(length) ? 0 : ids[length]!] = 1;
    return device.tensor(logits, [1, vocabSize]);
  };
  return {
    config: { vocabSize, eosIds: [], contextLength: ids.length },
    device,
    sequence(): Sequence {
      const sequence: Sequence = {
        get length() {
          return lengths.get(sequence)!;
        },
        get bytes() {
          return 4 * lengths.get(sequence)!;
        },
        truncate() {},
        fork: () => sequence,
        dispose: () => void lengths.delete(sequence),
      };
      lengths.set(sequence, 0);
      return sequence;
    },
    prefill: (sequence, prompt) => Promise.resolve(next(sequence, prompt.length)),
    step: ([sequence]) => next(sequence!, 1),
  };
}

describe("answerQuestions", () => {
  test("an answer counts when every token of it comes first, and nothing is left behind", async () => {
    const text = recallText({ task: "records", tokens: 128, statements: 6, questions: 4, seed: 2 });
    const { questions, ids } = text;
    const wrong = new Set([
      questions[0]!.at,
      questions[1]!.answerAt,
      questions[3]!.answerAt + 1,
    ]);
    const { tensors } = device.report;
    const { answers, bytes, decoded } = await answerQuestions(byHeart(ids, wrong), text);
    assertEquals(answers.map(({ right }) => right), [true, false, true, false]);
    assertEquals(answers.map(({ distance }) => distance), questions.map(({ distance }) => distance));
    assertEquals(decoded, 4 * 6 - 2);
    assertEquals(bytes, 4 * (128 - 2));
    assertEquals(device.report.tensors, tensors);
  });
});
