import * as v from "valibot";
import { ApiError } from "../api_error.ts";
import { checkShape } from "../check_shape.ts";
import { chatRequest } from "../language/chat_request.ts";
import { chooseVariant, NO_CHOICE } from "../language/choose_variant.ts";
import { completionRequest } from "../language/completion_request.ts";
import { canInspect, type HeadReading, readAttention } from "../language/read_attention.ts";
import type { ServedLanguageModel } from "../language/served_language_model.ts";
import { specialNames } from "../language/token_texts.ts";
import type { PageRoutes } from "../page/page_routes.ts";

/** The most tokens that are looked at, and the most weights that an answer has. */
const MOST_TOKENS = 1024;
const MOST_WEIGHTS = 2 ** 19;

const Own = v.looseObject({
  answer: v.optional(v.string("expected a text")),
  at: v.optional(v.pipe(v.number("expected a whole number"), v.safeInteger("expected a whole number"))),
}, "expected an object with model, and messages or a prompt");

/** The answer to a request for what was read. */
export interface AttentionResponse {
  /** The name of the kind. */
  object: "filigree.attention";
  /** The model's name. */
  model: string;
  /** The texts of all tokens: those of the prompt, then those of the answer. */
  tokens: string[];
  /** How many of them are the prompt's. */
  prompt_tokens: number;
  /** The token whose reading is shown: what follows it was chosen by what it read. */
  at: number;
  /** What every head of every layer read, of the tokens up to `at`. */
  layers: { heads: HeadReading[] }[];
}

/**
 * Shows what every head reads: `POST /v1/filigree/attention`.
 *
 * The body is that of a completion or a chat completion (`model`, `prompt` or `messages`, `filigree`), with two fields more: `answer`, a text that followed, and `at`, the place of the
 * token to look at. Default: the last of the prompt, which read to write the first of the answer.
 *
 * @returns The routes; nothing without a language model.
 */
export function attentionRoutes(): PageRoutes {
  return (app, service, { lm, lmModel, variants = NO_CHOICE }): void => {
    if (!lm) return;
    const choose = chooseVariant(variants);
    const serving = { model: lmModel, limits: service.limits };
    app.post("/v1/filigree/attention", async (c) => {
      const base = lm.get();
      const { answer = "", at: asked, ...rest } = checkShape(Own, await service.readJson(c));
      const read = "messages" in rest ? chatRequest : completionRequest;
      const { prompts, filigree } = read({ ...rest, max_tokens: 1 }, base, serving);
      const chosen = choose(base, filigree);
      if (!canInspect(chosen) || prompts.length !== 1) throw notShown(prompts.length);
      const [prompt] = prompts as [Int32Array];
      const { heads, layers } = chosen.config;
      const most = Math.min(MOST_TOKENS, Math.floor(MOST_WEIGHTS / (heads * layers)));
      // A token has at least one character in a usual vocabulary; what is far longer is not encoded at all.
      const ids = answer.length > 64 * most ? undefined : [...prompt, ...encode(base, answer)];
      if (!ids || ids.length > most) throw tooLong(ids?.length, most);
      const at = asked ?? prompt.length - 1;
      if (at < 0 || at >= ids.length) throw outside(ids.length);
      const planner = filigree.prefill === undefined ? undefined : variants.prefill[filigree.prefill];
      const select = filigree.select === undefined ? undefined : variants.select[filigree.select];
      const inPrompt = at < prompt.length;
      const found = await service.compute(
        c,
        (signal) =>
          readAttention(chosen, ids.slice(0, at + 1), inPrompt ? { planner, signal } : { select, signal }),
      );
      return c.json(
        {
          object: "filigree.attention",
          model: lmModel,
          tokens: textsOf(base, ids),
          prompt_tokens: prompt.length,
          at,
          layers: found.map((heads) => ({ heads })),
        } satisfies AttentionResponse,
      );
    });
  };
}

function encode(lm: ServedLanguageModel, text: string): Int32Array {
  return text === "" ? new Int32Array() : lm.tokenizer?.encode(text) ?? new Int32Array();
}

/** What each token adds to the text; the names of control tokens. */
function textsOf({ tokenizer }: ServedLanguageModel, ids: readonly number[]): string[] {
  const names = specialNames(tokenizer);
  const stream = tokenizer?.stream();
  return ids.map((id) => names.get(id) ?? stream?.push([id]) ?? `${id}`);
}

function notShown(prompts: number): ApiError {
  return prompts === 1
    ? new ApiError(400, "unsupported_model", "This model does not show what its heads read", {
      param: "model",
    })
    : new ApiError(400, "invalid_value", `"prompt" has ${prompts} texts, expected one`, { param: "prompt" });
}

function tooLong(tokens: number | undefined, most: number): ApiError {
  const message = `${tokens ?? "Too many"} tokens are too many to look at, at most ${most} are allowed`;
  return new ApiError(413, "too_many_tokens", message);
}

function outside(tokens: number): ApiError {
  return new ApiError(400, "invalid_value", `"at" must be a whole number from 0 to ${tokens - 1}`, {
    param: "at",
  });
}
