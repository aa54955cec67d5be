/**
 * How many questions a model answers right, whatever cache and selector it decodes with.
 *
 * @module
 */
import { concat } from "../../device/ops/concat.ts";
import type { Tensor } from "../../device/tensor.ts";
import { type Planner, planner } from "../../methods/planner.ts";
import { argmax } from "../_argmax.ts";
import type { LanguageModel } from "../language_model.ts";
import type { RecallText } from "./tasks.ts";

/** Dense attention of the whole prompt at once, before storage rounds or prunes anything. */
export const densePrompt: Planner = planner("dense", () => "dense");

/** What came of a question. */
export interface RecallAnswer {
  /** Tokens from the statement to the question. */
  readonly distance: number;
  /** Whether the best token was the right one at every token of the answer. */
  readonly right: boolean;
}

/** What came of a text. */
export interface RecallAnswers {
  /** Its questions in order. */
  readonly answers: readonly RecallAnswer[];
  /** Bytes of the keys and values at its end. */
  readonly bytes: number;
  /** Tokens that were decoded one by one. */
  readonly decoded: number;
}

/**
 * Asks the questions of a text: what stands before the first one is the prompt, the questions and their right answers are decoded token by token.
 *
 * @param lm The model, with its cache and selector.
 * @param text The text.
 * @param signal Gives up; its reason is thrown.
 * @returns What was answered.
 */
export async function answerQuestions(
  lm: LanguageModel,
  text: RecallText,
  signal?: AbortSignal,
): Promise<RecallAnswers> {
  const { ids, questions } = text;
  const begin = questions[0]!.at;
  const asked = new Set(questions.flatMap(({ answerAt, answer }) => answer.map((_, i) => answerAt + i - 1)));
  const last = Math.max(...asked);
  const sequence = lm.sequence();
  const rows: Tensor[] = [];
  try {
    (await lm.prefill(sequence, ids.slice(0, begin), signal)).dispose();
    for (let at = begin; at <= last; at++) {
      signal?.throwIfAborted();
      const id = lm.device.tensor(ids.slice(at, at + 1), [1]);
      const logits = lm.step([sequence], id);
      id.dispose();
      if (asked.has(at)) rows.push(logits);
      else logits.dispose();
    }
    using scope = lm.device.scope();
    const values = await concat(scope, rows, 0).read();
    const guesses = rows.map((_, i) => argmax(values, i, lm.config.vocabSize));
    let next = 0;
    const answers = questions.map(({ distance, answer }) => {
      const own = guesses.slice(next, next += answer.length);
      return { distance, right: answer.every((id, i) => own[i] === id) };
    });
    return { answers, bytes: sequence.bytes, decoded: last - begin + 1 };
  } finally {
    sequence.dispose();
    for (const row of rows) row.dispose();
  }
}
