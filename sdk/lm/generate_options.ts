/**
 * Options of generation.
 *
 * @module
 */
import type { LanguageModel, Sequence } from "./language_model.ts";
import type { Prompt } from "./prompt.ts";
import { checkSampling, type SamplingOptions } from "./sampler.ts";
import { StopStrings } from "./stop_strings.ts";

/** Options of {@linkcode generateMany}. */
export interface GenerateManyOptions extends SamplingOptions {
  /** Tokens that an answer may have; fewer if the context ends before. @default 256 */
  readonly maxTokens?: number;
  /** Strings that end an answer; neither they nor what follows is given out. @default none */
  readonly stop?: string | readonly string[];
  /** Ids that end an answer; none of them is given out. @default those of the model */
  readonly eosIds?: readonly number[];
  /**
   * Tells with every token its log probability and so many of the likeliest tokens in its place.
   * @default nothing is told
   */
  readonly logprobs?: number | undefined;
  /** Gives up: the signal's reason is thrown, and pieces that were not read yet are lost. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Tokens that are computed between two readbacks; above 1 the next ones are computed while these are read. The first token always comes alone.
   * @default 8 on a GPU, where a readback costs about 11 ms, else 1
   */
  readonly readEvery?: number;
  /**
   * A sequence for each prompt, which goes on from what it has: `fork()` of one that has a common prompt, or that of the last answer. They stay
   * with the caller, and have prompt and answer in the end; after an error, an abort or an early return the last token of it may be missing.
   * @default new ones
   */
  readonly from?: readonly Sequence[];
}

/** Options of {@linkcode generate}. */
export interface GenerateOptions extends Omit<GenerateManyOptions, "from"> {
  /** A sequence to go on with, as for {@linkcode GenerateManyOptions.from}. @default a new one */
  readonly from?: Sequence | undefined;
}

/** Options with everything that was left out. */
export interface GenerateSettings extends Required<SamplingOptions> {
  readonly maxTokens: number;
  readonly stops: readonly string[];
  readonly eosIds: readonly number[];
  readonly readEvery: number;
  readonly logprobs: number | undefined;
  readonly from: readonly Sequence[] | undefined;
}

/**
 * Fills in what was left out.
 *
 * @param lm The model.
 * @param prompts The prompts.
 * @param options Options of the caller.
 * @returns Every option.
 * @throws TypeError if `stop` is given to a model without a tokenizer.
 * @throws RangeError if an option is out of range.
 */
export function checkOptions(
  lm: LanguageModel,
  prompts: readonly Prompt[],
  options: GenerateManyOptions,
): GenerateSettings {
  const { maxTokens = 256, stop = [], eosIds = lm.config.eosIds, logprobs, from } = options;
  const { readEvery = lm.device.kind === "webgpu" ? 8 : 1 } = options;
  for (const [name, value] of Object.entries({ maxTokens, readEvery })) {
    if (Number.isInteger(value) && value >= 1) continue;
    throw new RangeError(`Cannot generate: "${name}" is ${value}, expected a whole number from 1`);
  }
  const { vocabSize } = lm.config;
  if (logprobs !== undefined && !(Number.isInteger(logprobs) && logprobs >= 0 && logprobs <= vocabSize)) {
    throw new RangeError(
      `Cannot generate: "logprobs" is ${logprobs}, expected a whole number from 0 to the ${vocabSize} tokens of the vocabulary`,
    );
  }
  const stops = typeof stop === "string" ? [stop] : stop;
  if (stops.length > 0 && lm.tokenizer === undefined) {
    throw new TypeError('Cannot generate: "stop" needs a tokenizer, which the model lacks; use "eosIds"');
  }
  // Refuses those that cannot be found.
  new StopStrings(stops);
  if (from && (from.length !== prompts.length || new Set(from).size !== from.length)) {
    throw new RangeError(
      `Cannot generate: "from" has ${
        new Set(from).size
      } sequences, expected another one for each of ${prompts.length} prompts`,
    );
  }
  return { ...checkSampling(options), maxTokens, stops, eosIds, readEvery, logprobs, from };
}
