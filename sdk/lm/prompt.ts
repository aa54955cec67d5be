/**
 * Prompts to token ids.
 *
 * @module
 */
import type { Message } from "./chat_template.ts";
import type { LanguageModel } from "./language_model.ts";

/** What a model goes on from: text, token ids, or a conversation for its chat template. */
export type Prompt = string | ArrayLike<number> | readonly Message[];

/**
 * The token ids of a prompt.
 *
 * Texts of control tokens inside a text or a message stay plain text; those that the template writes are control tokens.
 *
 * @param lm The model, whose tokenizer and template count.
 * @param prompt The prompt.
 * @param first Whether a text begins here, so that it gets the token that begins texts; conversations have what their template writes.
 * @returns At least one id.
 * @throws TypeError if the model lacks the tokenizer or template for it, or it is nothing of the kind.
 * @throws RangeError if it is empty, or an id is outside the vocabulary.
 */
export function promptIds(lm: LanguageModel, prompt: Prompt, first: boolean): Int32Array {
  const ids = idsOf(lm, prompt, first);
  if (ids.length === 0) {
    throw new RangeError("Cannot generate from an empty prompt: expected at least one token");
  }
  return ids;
}

function idsOf(lm: LanguageModel, prompt: Prompt, first: boolean): Int32Array {
  if (typeof prompt === "string") return tokenizerOf(lm, "text").encode(prompt, { addSpecial: first });
  if (typeof prompt !== "object" || prompt === null || typeof prompt.length !== "number") {
    throw new TypeError(`Cannot generate from ${typeof prompt}: expected a text, token ids or messages`);
  }
  if (isMessages(prompt)) return idsOfMessages(lm, prompt);
  return Int32Array.from(prompt, (id, at) => {
    if (Number.isInteger(id) && id >= 0 && id < lm.config.vocabSize) return id;
    throw new RangeError(
      `Cannot generate: token ${at} of the prompt is ${id}, expected an id from 0 to ${
        lm.config.vocabSize - 1
      }`,
    );
  });
}

function isMessages(prompt: ArrayLike<number> | readonly Message[]): prompt is readonly Message[] {
  return typeof prompt[0] === "object" && prompt[0] !== null;
}

function idsOfMessages(lm: LanguageModel, messages: readonly Message[]): Int32Array {
  const tokenizer = tokenizerOf(lm, "messages");
  if (lm.template === undefined) {
    throw new TypeError("Cannot generate from messages: the model has no chat template; give a text instead");
  }
  const guarded = messages.map((message, at) => {
    if (typeof message?.role === "string" && typeof message.content === "string") {
      return { ...message, role: tokenizer.guard(message.role), content: tokenizer.guard(message.content) };
    }
    throw new TypeError(`Cannot generate: message ${at} needs a "role" and a "content" that are strings`);
  });
  return tokenizer.encode(lm.template.render(guarded), { control: true });
}

function tokenizerOf(lm: LanguageModel, from: string): NonNullable<LanguageModel["tokenizer"]> {
  if (lm.tokenizer !== undefined) return lm.tokenizer;
  throw new TypeError(`Cannot generate from ${from}: the model has no tokenizer; give token ids instead`);
}
