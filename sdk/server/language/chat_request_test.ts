import { describe, test } from "node:test";
import type { Device } from "../../device/mod.ts";
import type { Message } from "../../lm/chat_template.ts";
import type { Tokenizer } from "../../lm/tokenizer.ts";
import { assertEquals, assertThrows } from "../../testing/assert.ts";
import { ApiError } from "../api_error.ts";
import { withDefaults } from "../limits.ts";
import { chatRequest } from "./chat_request.ts";
import type { GenerationRequest } from "./generation_request.ts";
import type { ServedLanguageModel } from "./served_language_model.ts";

/** A token is a letter. */
const tokenizer = {
  encode: (text: string) => Int32Array.from(text, (letter) => letter.charCodeAt(0)),
  guard: (text: string) => text,
} as Tokenizer;

function model(render?: (messages: readonly Message[]) => string): ServedLanguageModel {
  return {
    config: { vocabSize: 256, eosIds: [], contextLength: 100 },
    device: undefined as unknown as Device,
    tokenizer,
    template: render && { render },
  } as unknown as ServedLanguageModel;
}

const serving = { model: "tests", limits: withDefaults() };
const ask = (lm: ServedLanguageModel, messages: unknown[], fields: object = {}): GenerationRequest =>
  chatRequest({ model: "tests", messages, ...fields }, lm, serving);
const prompt = (request: GenerationRequest): string => String.fromCharCode(...request.prompts[0]!);

describe("chatRequest()", () => {
  const messages = [
    { role: "developer", content: "be brief" },
    { role: "user", content: [{ type: "text", text: "hel" }, { type: "text", text: "lo" }], name: "Ann" },
    { role: "assistant", content: "yes", refusal: null, tool_calls: [], annotations: [] },
  ];

  test("a chat template makes the prompt", () => {
    const lm = model((all) => all.map(({ role, content }) => `<${role}>${content}`).join(""));
    assertEquals(prompt(ask(lm, messages)), "<system>be brief<user>hello<assistant>yes");
  });

  test("without a template messages are lines", () => {
    assertEquals(prompt(ask(model(), messages)), "be brief\nhello\nyes");
  });

  test("what a template refuses is refused with its reason", () => {
    const lm = model(() => {
      throw new TypeError("Cannot render: roles must alternate");
    });
    const error = assertThrows(() => ask(lm, messages), ApiError, "roles must alternate");
    assertEquals([error.status, error.code, error.param], [400, "invalid_prompt", "messages"]);
  });

  test("without a limit an answer may fill the context, and the temperature is 1", () => {
    const { options, n, stream, includeUsage } = ask(model(), messages);
    const { maxTokens, temperature, topP, logprobs } = options;
    assertEquals([maxTokens, temperature, topP, logprobs, n, stream, includeUsage], [
      100,
      1,
      1,
      undefined,
      1,
      false,
      false,
    ]);
  });

  test("seeds of any sign wrap around", () => {
    const seed = (value: number): number => ask(model(), messages, { seed: value }).options.seed!;
    assertEquals([seed(7), seed(-1), seed(2 ** 32 + 5), seed(-(2 ** 53) + 1)], [7, 2 ** 32 - 1, 5, 1]);
  });

  test("a limit that the context cannot hold beside the prompt is refused", () => {
    assertEquals(ask(model(), messages, { max_completion_tokens: 82 }).options.maxTokens, 82);
    const error = assertThrows(() => ask(model(), messages, { max_tokens: 83 }), ApiError);
    assertEquals([error.code, error.param], ["context_length_exceeded", "max_tokens"]);
  });
});
