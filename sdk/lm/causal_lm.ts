/**
 * A language model of the Llama, Mistral, Qwen2 or Qwen3 family.
 *
 * @module
 */
import { KVCache } from "../cache/kv_cache.ts";
import type { Device, Scope } from "../device/device.ts";
import type { Tensor } from "../device/tensor.ts";
import { streaming } from "../methods/streaming.ts";
import { checkIds } from "./_check_ids.ts";
import { type CausalLMOptions, checkLoadOptions } from "./causal_lm_options.ts";
import type { ChatTemplate } from "./chat_template.ts";
import type { DecoderConfig } from "./config.ts";
import type { Decoder, LayerAttention } from "./decoder.ts";
import { DecoderSequence } from "./decoder_sequence.ts";
import { type DecoderWeights, loadDecoder } from "./decoder_weights.ts";
import { type LogitsOptions, type PromptOptions, runPrompt, runStep } from "./forward.ts";
import { fetchAheadOf, runOffloadedStep, runOffloadedTokens } from "./forward_offloaded.ts";
import type { LanguageModel, Sequence } from "./language_model.ts";
import { generate, generateMany, type IndexedPiece, type Piece } from "./generate.ts";
import type { GenerateManyOptions, GenerateOptions } from "./generate_options.ts";
import { type ModelSource, openModel } from "./open_model.ts";
import { openText, type TextSide } from "./open_text.ts";
import type { Prompt } from "./prompt.ts";
import type { Tokenizer } from "./tokenizer.ts";

export type { CausalLMOptions } from "./causal_lm_options.ts";
export type { LogitsOptions } from "./forward.ts";

/** What a model is made of. */
interface Loaded {
  readonly config: DecoderConfig;
  readonly weights: DecoderWeights;
  readonly scope: Scope;
  readonly text: TextSide;
}

/**
 * A decoder with its weights on a device.
 *
 * Layers with a sliding window read it and nothing else, whatever is given to plan or to select.
 *
 * @example
 * ```ts
 * import { openDevice } from "../device/mod.ts";
 * import { CausalLM } from "./causal_lm.ts";
 *
 * const device = await openDevice();
 * const lm = await CausalLM.load("models/llama", { device });
 * const logits = await lm.logits([1, 15043, 3186]);
 * console.log(logits.shape); // 3, 32000
 * ```
 */
export class CausalLM implements LanguageModel {
  /** Its sizes. */
  readonly config: DecoderConfig;
  /** What computes. */
  readonly device: Device;
  /** Turns text into ids and back, if the model has one. */
  readonly tokenizer: Tokenizer | undefined;
  /** Turns messages into one prompt, if the model has one. */
  readonly template: ChatTemplate | undefined;
  readonly #loaded: Loaded;
  readonly #options: CausalLMOptions;
  readonly #decoder: Decoder;
  readonly #chunk: number;

  private constructor(loaded: Loaded, options: CausalLMOptions) {
    const { config, weights, text } = loaded;
    const { device, cache, prefill, select, fetchAhead = fetchAheadOf(device) } = options;
    // A later chunk would read what storage made of the earlier ones.
    const exact = prefill === undefined && (cache === undefined || cache.spec.name === "dense");
    const { chunk = exact ? 512 : Infinity } = options;
    const ofLayer = (window: number | undefined): LayerAttention => {
      if (window === undefined) return { planner: prefill, select };
      const band = streaming({ sink: 0, window });
      return { window, planner: band, select: band };
    };
    this.#loaded = loaded;
    this.#options = options;
    this.config = config;
    this.device = device;
    this.tokenizer = text.tokenizer;
    this.template = text.template;
    this.#decoder = { config, weights, attention: config.windows.map(ofLayer), fetchAhead };
    this.#chunk = chunk;
  }

  /**
   * Loads a model.
   *
   * @param source A directory, a GGUF file, or either in memory.
   * @param options The device, and how the model attends.
   * @returns The model.
   * @throws WeightsError if a file is missing or broken or its tensors are not those of the model; SyntaxError, TypeError or RangeError if its
   * configuration is not one that can be run.
   */
  static async load(source: ModelSource, options: CausalLMOptions): Promise<CausalLM> {
    const { device, signal } = options;
    checkLoadOptions(options);
    signal?.throwIfAborted();
    const { config, store, naming, files, metadata } = await openModel(source);
    const scope = device.scope();
    try {
      const weights = await loadDecoder(scope, store, config, naming, signal);
      const text = await openText({ files, metadata });
      const own = { ...config, contextLength: options.contextLength ?? config.contextLength };
      return new CausalLM({ config: own, weights, scope, text }, options);
    } catch (error) {
      scope.dispose();
      throw error;
    } finally {
      await store.close();
    }
  }

  /**
   * The same weights with another cache, planner or selector, for one request among many.
   *
   * @param options What is different.
   * @returns A model with sequences of its own; it ends with this one at the latest.
   */
  with(options: Pick<CausalLMOptions, "cache" | "prefill" | "select" | "chunk" | "fetchAhead">): CausalLM {
    const all = { ...this.#options, ...options };
    checkLoadOptions(all);
    return new CausalLM({ ...this.#loaded, scope: this.#loaded.scope.scope() }, all);
  }

  /** A new, empty sequence. @returns It; to be disposed of, at the latest with the model. */
  sequence(): DecoderSequence {
    const { heads: queryHeads, kvHeads: heads, headDim } = this.config;
    const { cache: storage } = this.#options;
    const caches = this.#decoder.attention.map(({ select }, layer) =>
      new KVCache(this.#loaded.scope, {
        heads,
        headDim,
        queryHeads,
        layer,
        select,
        ...(storage && { storage }),
      })
    );
    return new DecoderSequence(this, caches);
  }

  /**
   * Appends tokens to a sequence.
   *
   * @param sequence Grows by the tokens; after an error or an abort it is as it was.
   * @param ids At least one token.
   * @param signal Gives up between layers; its reason is thrown.
   * @returns [1, vocab]: logits of the token that follows.
   * @throws RangeError for an id that the model does not have, and if the sequence would become too long.
   */
  async prefill(sequence: Sequence, ids: Int32Array, signal?: AbortSignal): Promise<Tensor> {
    return await this.#run(this.#own(sequence, ids.length), ids, { rows: "last", signal });
  }

  /**
   * Appends one token to each of some sequences, without waiting for anything; not over offloaded caches.
   *
   * @param sequences B different sequences.
   * @param ids i32 [B]: one token for each, not checked.
   * @returns [B, vocab]: logits of the tokens that follow.
   * @throws RangeError if a sequence would become too long.
   */
  step(sequences: readonly Sequence[], ids: Tensor): Tensor {
    return runStep(this.device, this.#decoder, this.#together(sequences, ids), ids);
  }

  /**
   * The same over any cache: waits for what is offloaded.
   *
   * @param sequences B different sequences.
   * @param ids i32 [B]: one token for each, not checked.
   * @param signal Gives up between layers; its reason is thrown.
   * @returns [B, vocab]: logits of the tokens that follow.
   * @throws RangeError if a sequence would become too long; OffloadError if something cannot be brought back.
   */
  async stepAsync(sequences: readonly Sequence[], ids: Tensor, signal?: AbortSignal): Promise<Tensor> {
    signal?.throwIfAborted();
    const own = this.#together(sequences, ids);
    if (!own.some(({ offloaded }) => offloaded)) return runStep(this.device, this.#decoder, own, ids);
    return await runOffloadedStep(this.device, this.#decoder, own, ids, signal);
  }

  /**
   * Logits at every position of a text.
   *
   * @param ids At least one token.
   * @param options What else to look at.
   * @returns [n, vocab].
   * @throws RangeError for an id that the model does not have, and for too many.
   */
  async logits(ids: ArrayLike<number>, options: LogitsOptions = {}): Promise<Tensor> {
    using sequence = this.sequence();
    return await this.#run(this.#own(sequence, ids.length), ids, { ...options, rows: "all" });
  }

  /**
   * Answers a prompt, piece by piece; see {@linkcode generate}.
   *
   * @param prompt Text, token ids, or messages.
   * @param options Limits and how to choose tokens; the likeliest by default.
   * @returns The pieces of the answer.
   */
  generate(prompt: Prompt, options: GenerateOptions = {}): AsyncGenerator<Piece, void, undefined> {
    return generate(this, prompt, options);
  }

  /**
   * Answers several prompts at once; see {@linkcode generateMany}.
   *
   * @param prompts A prompt for each answer.
   * @param options Limits and how to choose tokens; the likeliest by default.
   * @returns The pieces of all answers as they come.
   */
  generateMany(
    prompts: readonly Prompt[],
    options: GenerateManyOptions = {},
  ): AsyncGenerator<IndexedPiece, void, undefined> {
    return generateMany(this, prompts, options);
  }

  /** Gives all memory back, that of its sequences too. Twice is allowed. */
  dispose(): void {
    this.#loaded.scope.dispose();
  }

  /** Gives all memory back. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  async #run(
    sequence: DecoderSequence,
    ids: ArrayLike<number>,
    options: Omit<PromptOptions, "chunk">,
  ): Promise<Tensor> {
    options.signal?.throwIfAborted();
    const known = checkIds(ids, this.config.vocabSize);
    if (sequence.offloaded && sequence.length > 0) {
      return await runOffloadedTokens(this.device, this.#decoder, sequence, known, options.signal);
    }
    const chunk = sequence.offloaded ? Infinity : this.#chunk;
    return await runPrompt(this.device, this.#decoder, sequence, known, { ...options, chunk });
  }

  #together(sequences: readonly Sequence[], ids: Tensor): DecoderSequence[] {
    const own = sequences.map((sequence) => this.#own(sequence, 1));
    const fits = ids.shape.length === 1 && ids.size === own.length;
    if (own.length > 0 && fits && new Set(own).size === own.length) return own;
    throw new RangeError(
      `Cannot run a step of ${own.length} sequences on ids [${ids.shape}]: expected at least one, all different, and one id for each`,
    );
  }

  /** Refuses a sequence of another model, and one that would become too long. */
  #own(sequence: Sequence, more: number): DecoderSequence {
    if (!(sequence instanceof DecoderSequence) || sequence.model !== this) {
      throw new TypeError("Cannot use this sequence: expected one that sequence() of this model made");
    }
    const { contextLength } = this.config;
    if (sequence.length + more > contextLength) {
      throw new RangeError(
        `Cannot append ${more} tokens to a sequence of ${sequence.length}: the context has ${contextLength}`,
      );
    }
    return sequence;
  }
}
