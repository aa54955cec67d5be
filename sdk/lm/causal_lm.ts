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
import type { DecoderConfig } from "./config.ts";
import type { Decoder, LayerAttention } from "./decoder.ts";
import { DecoderSequence } from "./decoder_sequence.ts";
import { type DecoderWeights, loadDecoder } from "./decoder_weights.ts";
import { type PromptOptions, runPrompt, runStep } from "./forward.ts";
import type { LanguageModel, Sequence } from "./language_model.ts";
import { type ModelSource, openModel } from "./open_model.ts";

/** Prompt tokens that are computed at once, so that a long prompt does not need much memory. */
const CHUNK = 512;

/** Options of {@linkcode CausalLM.load}. */
export interface CausalLMOptions {
  /** What computes; stays with the caller. */
  readonly device: Device;
  /** How keys and values are kept. @default dense() */
  readonly cache?: Storage;
  /** Plans the attention of prompts, which are then computed at once. @default dense */
  readonly prefill?: Planner;
  /** Chooses what a new token reads of the cache. @default everything */
  readonly select?: Selector;
  /** Tokens that a sequence can have. @default what the model was made for */
  readonly contextLength?: number;
  /** Gives up loading; its reason is thrown. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of {@linkcode CausalLM.logits}. */
export interface LogitsOptions {
  /**
   * Sees the residual stream f32 [n, hidden] of a chunk of the prompt: the embeddings (0), what layer i - 1 gave (i) and, in place of what the last
   * layer gave, its normalised form. The tensor is gone after the call, or after what it returns.
   */
  readonly inspect?: (index: number, hidden: Tensor) => void | Promise<void>;
  /** Gives up between layers; its reason is thrown. */
  readonly signal?: AbortSignal | undefined;
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
  readonly #decoder: Decoder;
  readonly #scope: Scope;
  readonly #storage: Storage | undefined;
  readonly #chunk: number;

  private constructor(
    config: DecoderConfig,
    weights: DecoderWeights,
    scope: Scope,
    options: CausalLMOptions,
  ) {
    const { device, cache, prefill, select } = options;
    const ofLayer = (window: number | undefined): LayerAttention => {
      if (window === undefined) return { planner: prefill, select };
      const band = streaming({ sink: 0, window });
      return { window, planner: band, select: band };
    };
    this.config = config;
    this.device = device;
    this.#decoder = { config, weights, attention: config.windows.map(ofLayer) };
    this.#scope = scope;
    this.#storage = cache;
    this.#chunk = prefill ? Infinity : CHUNK;
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
    const { device, contextLength, signal } = options;
    signal?.throwIfAborted();
    const { config: own, store, naming } = await openModel(source);
    const scope = device.scope();
    try {
      const config = { ...own, contextLength: contextLength ?? own.contextLength };
      if (!(Number.isSafeInteger(config.contextLength) && config.contextLength > 0)) {
        throw new RangeError(
          `Cannot load the model: "contextLength" is ${contextLength}, expected a whole number from 1`,
        );
      }
      const weights = await loadDecoder(scope, store, config, naming, signal);
      return new CausalLM(config, weights, scope, options);
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
    if (own.length === 0 || ids.size !== own.length || new Set(own).size !== own.length) {
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
