import type { GenerateManyOptions } from "../../lm/generate_options.ts";
import { type Prompt, promptIds } from "../../lm/prompt.ts";
import { ApiError } from "../api_error.ts";
import type { VariantNames } from "./choose_variant.ts";
import type { SharedFields } from "./fields.ts";
import type { Service } from "../service.ts";
import { quote } from "../tables.ts";
import type { ServedLanguageModel } from "./served_language_model.ts";

/** What a request asks of a language model, checked. */
export interface GenerationRequest {
  /** Token ids of each prompt. */
  readonly prompts: readonly Int32Array[];
  /** Answers for each prompt. */
  readonly n: number;
  /** How to generate. */
  readonly options: GenerateManyOptions;
  /** Whether the answer comes in events. */
  readonly stream: boolean;
  /** Whether a stream ends with what it took. */
  readonly includeUsage: boolean;
  /** The caches and methods that are wanted. */
  readonly filigree: VariantNames;
}

/** Fields that the two kinds of requests have by different names. */
export interface OwnFields {
  /** What to go on from. */
  readonly prompts: readonly Prompt[];
  /** The field of the request that has them. */
  readonly promptsParam: string;
  /** Tokens that an answer may have; all that fit if left out. */
  readonly maxTokens: number | undefined;
  /** The field of the request that has it. */
  readonly maxTokensParam: string;
  /** How many likeliest tokens come with each; no probabilities if left out. */
  readonly logprobs: number | undefined;
}

/** What the server says of itself. */
export type Serving = Pick<Service, "model" | "limits">;

/**
 * Refuses other models than the one that there is.
 *
 * @param model Its name.
 * @param name The name in the request.
 * @throws {ApiError} 404 if it is another.
 */
export function expectModel(model: string, name: string): void {
  if (name === model) return;
  throw new ApiError(404, "model_not_found", `The model ${quote(name)} does not exist`, { param: "model" });
}

/** Encoding takes time on the thread that answers, so texts of more characters for each token of the context are not tried. */
const LONGEST_TOKEN = 64;

/** Seeds wrap around at. */
const SEEDS = 2 ** 32;

/**
 * Puts a request together.
 *
 * @param lm The model.
 * @param shared Fields that all requests have.
 * @param own The others.
 * @param serving The name of the model, and how much one request may ask for.
 * @returns What is asked.
 * @throws {ApiError} 400 that names the field which cannot be had, 404 for another model.
 */
export function generationRequest(
  lm: ServedLanguageModel,
  shared: SharedFields,
  own: OwnFields,
  { model, limits: { choices: most } }: Serving,
): GenerationRequest {
  expectModel(model, shared.model);
  const { n, temperature, top_p: topP, stream, stream_options: streamOptions, filigree } = shared;
  if (streamOptions && !stream) {
    throw new ApiError(400, "invalid_value", '"stream_options" needs "stream" to be true', {
      param: "stream_options",
    });
  }
  if (n * own.prompts.length > most) {
    throw new ApiError(
      400,
      "invalid_value",
      `${n} answers to each of ${own.prompts.length} prompts are asked for, at most ${most} are given at once`,
      { param: own.prompts.length > most ? own.promptsParam : "n" },
    );
  }
  const prompts = own.prompts.map((prompt) => encode(lm, prompt, own));
  const seed = shared.seed ?? crypto.getRandomValues(new Uint32Array(1))[0]!;
  return {
    prompts,
    n,
    options: {
      maxTokens: own.maxTokens ?? lm.config.contextLength,
      // So few likeliest tokens that none is left but the likeliest.
      temperature: topP === 0 ? 0 : temperature,
      topP: topP === 0 ? 1 : topP,
      seed: ((seed % SEEDS) + SEEDS) % SEEDS,
      stop: shared.stop,
      logprobs: own.logprobs,
    },
    stream,
    includeUsage: streamOptions?.include_usage ?? false,
    filigree,
  };
}

function encode(lm: ServedLanguageModel, prompt: Prompt, own: OwnFields): Int32Array {
  const { contextLength } = lm.config;
  const refuse = (what: string, param: string): ApiError =>
    new ApiError(
      400,
      "context_length_exceeded",
      `The context of this model has ${contextLength} tokens; ${what}`,
      { param },
    );
  if (typeof prompt === "string" && prompt.length > contextLength * LONGEST_TOKEN) {
    throw refuse(`a prompt of ${prompt.length} characters is too long for it`, own.promptsParam);
  }
  let ids: Int32Array;
  try {
    ids = promptIds(lm, prompt, true);
  } catch (cause) {
    // Templates refuse messages too, each in its own way.
    if (!(cause instanceof Error)) throw cause;
    throw new ApiError(400, "invalid_prompt", cause.message, { param: own.promptsParam, cause });
  }
  const { length } = ids;
  if (length >= contextLength) {
    throw refuse(`the prompt has ${length}, which leaves none for an answer`, own.promptsParam);
  }
  if (length + (own.maxTokens ?? 0) > contextLength) {
    throw refuse(
      `the prompt has ${length} of them and ${own.maxTokens} are asked for as the answer`,
      own.maxTokensParam,
    );
  }
  return ids;
}
