import type { Usage } from "../../lm/generate.ts";
import type { Metrics } from "../metrics.ts";
import type { GenerationRequest } from "./generation_request.ts";
import type { ServedLanguageModel } from "./served_language_model.ts";
import { type TokenText, TokenTexts } from "./token_texts.ts";

/** A part of one of the answers. */
export interface Part {
  /** Number of the answer: those to the first prompt come first. */
  readonly index: number;
  /** What comes next. */
  readonly text: string;
  /** The tokens whose text begins here, if probabilities are wanted. */
  readonly tokens: TokenText[] | undefined;
  /** Why it ends; nothing while it goes on. */
  readonly finish: "stop" | "length" | null;
  /** What it took, with the end. */
  readonly usage: Usage | undefined;
}

/** What the answers to a request took. */
export interface Totals {
  /** In OpenAI's words; a prompt counts once, however many answers it has. */
  readonly usage: { prompt_tokens: number; completion_tokens: number; total_tokens: number };
  /** Bytes of the keys and values of all answers at their ends, and for each of their tokens. */
  readonly filigree: { kv_bytes: number; kv_bytes_per_token: number };
}

/**
 * Generates the answers to a request.
 *
 * @param lm The model.
 * @param request What is asked.
 * @param signal Ends it; its reason is thrown.
 * @param metrics Counts the tokens, those of answers that are never finished too.
 * @returns Parts of all answers as they come.
 */
export async function* generateParts(
  lm: ServedLanguageModel,
  { prompts, n, options }: GenerationRequest,
  signal: AbortSignal,
  metrics: Metrics,
): AsyncGenerator<Part, void, undefined> {
  const all = prompts.flatMap((prompt) => Array<Int32Array>(n).fill(prompt));
  for (const { length } of prompts) metrics.tokens("prompt", length);
  const texts: TokenTexts[] = [];
  for await (const piece of lm.generateMany(all, { ...options, signal })) {
    const { index, text, ids, logprobs, finishReason = null, usage } = piece;
    metrics.tokens("completion", ids.length);
    if (usage) metrics.kvBytes(usage.kvBytes);
    const tokens = logprobs && (texts[index] ??= new TokenTexts(lm.tokenizer)).push(piece);
    if (text === "" && !tokens?.length && !finishReason) continue;
    yield { index, text, tokens, finish: finishReason, usage };
  }
}

/**
 * Adds up what the answers to a request took.
 *
 * @param request What was asked.
 * @param ends What each answer took.
 */
export function totalsOf({ prompts }: GenerationRequest, ends: readonly Usage[]): Totals {
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  const prompt = sum(prompts.map(({ length }) => length));
  const completion = sum(ends.map(({ completionTokens }) => completionTokens));
  const bytes = sum(ends.map(({ kvBytes }) => kvBytes));
  const tokens = sum(ends.map(({ promptTokens, completionTokens }) => promptTokens + completionTokens));
  return {
    usage: { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion },
    filigree: { kv_bytes: bytes, kv_bytes_per_token: Math.round(bytes / tokens) },
  };
}
