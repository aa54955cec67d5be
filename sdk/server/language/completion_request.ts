import * as v from "valibot";
import type { Prompt } from "../../lm/prompt.ts";
import { ApiError } from "../api_error.ts";
import { readFields, SHARED, whole } from "./fields.ts";
import { type GenerationRequest, generationRequest, type Serving } from "./generation_request.ts";
import type { ServedLanguageModel } from "./served_language_model.ts";

/** Tokens of an answer where the request does not say: OpenAI's number. */
const MAX_TOKENS = 16;

const Body = v.strictObject({
  ...SHARED,
  prompt: v.custom<NonNullable<unknown>>((value) => value !== undefined, "is missing"),
  logprobs: v.optional(whole(0, 5)),
});

/**
 * Reads the body of `POST /v1/completions`.
 *
 * @param body The body, parsed.
 * @param lm The model.
 * @param serving The name of the model, and how much one request may ask for.
 * @returns What is asked.
 * @throws {ApiError} 400 that names the wrong field, 404 for another model.
 */
export function completionRequest(
  body: unknown,
  lm: ServedLanguageModel,
  serving: Serving,
): GenerationRequest {
  const { prompt, logprobs, ...shared } = readFields(body, Body);
  const own = {
    prompts: promptsOf(prompt),
    promptsParam: "prompt",
    maxTokens: shared.max_tokens ?? MAX_TOKENS,
    maxTokensParam: "max_tokens",
    logprobs,
  };
  return generationRequest(lm, shared, own, serving);
}

const isId = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

const isIds = (value: unknown): value is number[] =>
  Array.isArray(value) && value.length > 0 && value.every(isId);

/** A text, token ids, or a list of either. */
function promptsOf(value: unknown): Prompt[] {
  if (typeof value === "string") return [value];
  if (isIds(value)) return [value];
  if (Array.isArray(value) && value.length > 0) {
    if (value.every((item) => typeof item === "string")) return value;
    if (value.every(isIds)) return value;
  }
  throw new ApiError(
    400,
    "invalid_value",
    '"prompt" must be a text, a list of token ids, or a list of texts or of such lists, none of the lists empty',
    { param: "prompt" },
  );
}
