/**
 * A language model of the Llama, Mistral, Qwen2 or Qwen3 family.
 *
 * @module
 */
import { KVCache } from "../cache/kv_cache.ts";
import type { Storage } from "../cache/storage.ts";
import type { Device, Scope } from "../device/device.ts";
import type { Tensor } from "../device/tensor.ts";
import type { Planner } from "../methods/planner.ts";
import type { Selector } from "../methods/selector.ts";
import { streaming } from "../methods/streaming.ts";
import type { ChatTemplate } from "./chat_template.ts";
import type { DecoderConfig } from "./config.ts";
import type { Decoder, LayerAttention } from "./decoder.ts";
import { DecoderSequence } from "./decoder_sequence.ts";
import { type DecoderWeights, loadDecoder } from "./decoder_weights.ts";
import { type LogitsOptions, type PromptOptions, runPrompt, runStep } from "./forward.ts";
import type { LanguageModel, Sequence } from "./language_model.ts";
import { generate, type Piece } from "./generate.ts";
import type { GenerateOptions } from "./generate_options.ts";
import { type ModelSource, openModel } from "./open_model.ts";
import { openText, type TextSide } from "./open_text.ts";
import type { Prompt } from "./prompt.ts";
import type { Tokenizer } from "./tokenizer.ts";

export type { LogitsOptions } from "./forward.ts";

/** Options of {@linkcode CausalLM.load}. */
export interface CausalLMOptions {
  /** What computes; stays with the caller. */
  readonly device: Device;
  /** How keys and values are kept. @default dense() */
  readonly cache?: Storage;
  /** Plans the attention of prompts. @default dense */
  readonly prefill?: Planner;
  /** Chooses what a new token reads of the cache. @default everything */
  readonly select?: Selector;
  /** Tokens that a sequence can have. @default what the model was made for */
  readonly contextLength?: number;
  /** Tokens of a prompt that are computed at once; more need more memory. @default 512, with a planner all */
  readonly chunk?: number;
  /** Gives up loading; its reason is thrown. */
  readonly signal?: AbortSignal | undefined;
}

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
  readonly #decoder: Decoder;
  readonly #scope: Scope;
  readonly #storage: Storage | undefined;
  readonly #chunk: number;

  private constructor({ config, weights, scope, text }: Loaded, options: CausalLMOptions) {
    const { device, cache, prefill, select, chunk = prefill ? Infinity : 512 } = options;
    const ofLayer = (window: number | undefined): LayerAttention => {
      if (window === undefined) return { planner: prefill, select };
      const band = streaming({ sink: 0, window });
      return { window, planner: band, select: band };
    };
    this.config = config;
    this.device = device;
    this.tokenizer = text.tokenizer;
    this.template = text.template;
    this.#decoder = { config, weights, attention: config.windows.map(ofLayer) };
    this.#scope = scope;
    this.#storage = cache;
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
    const { contextLength, chunk = Infinity } = options;
    for (const [name, value] of Object.entries({ contextLength, chunk })) {
      if (value === undefined || value === Infinity || (Number.isSafeInteger(value) && value > 0)) continue;
      throw new RangeError(`Cannot load the model: "${name}" is ${value}, expected a whole number from 1`);
    }
    signal?.throwIfAborted();
    const { config, store, naming, files, metadata } = await openModel(source);
    const scope = device.scope();
    try {
      const weights = await loadDecoder(scope, store, config, naming, signal);
      const text = await openText({ files, metadata });
      const own = { ...config, contextLength: contextLength ?? config.contextLength };
      return new CausalLM({ config: own, weights, scope, text }, options);
    } catch (error) {
      scope.dispose();
      throw error;
    } finally {
      await store.close();
    }
  }

  /** A new, empty sequence. @returns It; to be disposed of, at the latest with the model. */
  sequence(): DecoderSequence {
    const { heads: queryHeads, kvHeads: heads, headDim } = this.config;
    const caches = this.#decoder.attention.map(({ select }, layer) =>
      new KVCache(this.#scope, {
        heads,
        headDim,
        queryHeads,
        layer,
        select,
        ...(this.#storage && { storage: this.#storage }),
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
   * Appends one token to each of some sequences, without waiting for anything.
   *
   * @param sequences B different sequences.
   * @param ids i32 [B]: one token for each, not checked.
   * @returns [B, vocab]: logits of the tokens that follow.
   * @throws RangeError if a sequence would become too long.
   */
  step(sequences: readonly Sequence[], ids: Tensor): Tensor {
    const own = sequences.map((sequence) => this.#own(sequence, 1));
    if (
      own.length === 0 || ids.shape.length !== 1 || ids.size !== own.length ||
      new Set(own).size !== own.length
    ) {
      throw new RangeError(
        `Cannot run a step of ${own.length} sequences on ids [${ids.shape}]: expected at least one, all different, and one id for each`,
      );
    }
    return runStep(this.device, this.#decoder, own, ids);
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
   * Answers a prompt, piece by piece; see {@linkcode generate}, and `generateMany` for several at once.
   *
   * @param prompt Text, token ids, or messages.
   * @param options Limits and how to choose tokens; the likeliest by default.
   * @returns The pieces of the answer.
   */
  generate(prompt: Prompt, options: GenerateOptions = {}): AsyncGenerator<Piece, void, undefined> {
    return generate(this, prompt, options);
  }

  /** Gives all memory back, that of its sequences too. Twice is allowed. */
  dispose(): void {
    this.#scope.dispose();
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
    return await runPrompt(this.device, this.#decoder, sequence, known, { ...options, chunk: this.#chunk });
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

function checkIds(ids: ArrayLike<number>, vocabSize: number): Int32Array<ArrayBuffer> {
  if (ids.length === 0) throw new RangeError("Cannot run the model without tokens: expected at least one id");
  return Int32Array.from(ids, (id, i) => {
    if (Number.isInteger(id) && id >= 0 && id < vocabSize) return id;
    throw new RangeError(
      `Cannot run the model: id ${i} is ${id}, expected a whole number from 0 to ${vocabSize - 1}`,
    );
  });
}
