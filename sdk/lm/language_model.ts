/**
 * What generation needs of a language model; `CausalLM` has it.
 *
 * @module
 */
import type { Device, Tensor } from "../device/mod.ts";
import type { ChatTemplate } from "./chat_template.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** Figures of a model that generation needs. */
export interface LanguageModelConfig {
  /** Number of token ids: the columns of the logits. */
  readonly vocabSize: number;
  /** Ids that end a text; none: it goes on up to the limit. */
  readonly eosIds: readonly number[];
  /** The id that begins a text, if the model has one. */
  readonly bosId?: number | undefined;
  /** Tokens that a sequence can have. */
  readonly contextLength: number;
}

/** One text in the making: the keys and values of its tokens. */
export interface Sequence {
  /** Tokens that it holds. */
  readonly length: number;
  /** Bytes of its keys and values, wherever they lie. */
  readonly bytes: number;
  /**
   * Forgets the tokens from place `length` on.
   *
   * @throws RangeError if it is not from 0 to the present length.
   */
  truncate(length: number): void;
  /** A copy that goes its own way; both are disposed on their own. */
  fork(): Sequence;
  /** Gives its memory back. Twice is allowed. */
  dispose(): void;
}

/** A model that predicts the next token. */
export interface LanguageModel {
  /** Its figures. */
  readonly config: LanguageModelConfig;
  /** What computes. */
  readonly device: Device;
  /** Turns text into ids and back; a model without one takes and gives ids. */
  readonly tokenizer?: Tokenizer | undefined;
  /** Turns messages into one prompt. */
  readonly template?: ChatTemplate | undefined;
  /** A new, empty sequence; the caller disposes it. */
  sequence(): Sequence;
  /**
   * Appends tokens to a sequence.
   *
   * @param sequence Grows by `ids.length` tokens; after an error or abort it may hold any part of them.
   * @param ids At least one token.
   * @param signal Gives up; its reason is thrown.
   * @returns [1, vocab]: logits of the token that follows; the caller disposes it.
   */
  prefill(sequence: Sequence, ids: Int32Array, signal?: AbortSignal): Promise<Tensor>;
  /**
   * Appends one token to each of some sequences, without waiting for anything.
   *
   * @param sequences B different sequences, none of them empty.
   * @param ids i32 [B]: one token for each; stays with the caller.
   * @returns [B, vocab]: logits of the tokens that follow; the caller disposes it.
   */
  step(sequences: readonly Sequence[], ids: Tensor): Tensor;
  /** The same where keys and values may have to be waited for. @default `step` */
  stepAsync?(sequences: readonly Sequence[], ids: Tensor, signal?: AbortSignal): Promise<Tensor>;
}
