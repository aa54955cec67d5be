/**
 * Text to token ids and back.
 *
 * @module
 */

/** Options of {@linkcode Tokenizer.encode}. */
export interface EncodeOptions {
  /** Add what the tokenizer puts around a text, mostly a token that begins it. @default false */
  readonly addSpecial?: boolean;
  /** Read the texts of control tokens (`<|im_end|>`) as these tokens, not as plain text; except those that `guard` marked. @default false */
  readonly control?: boolean;
}

/** Puts text together from tokens as they come. */
export interface TextStream {
  /** Takes tokens; gives the text that is complete by now. Characters whose bytes are still coming are held back. */
  push(ids: ArrayLike<number>): string;
  /** The end: gives what was held back. */
  end(): string;
}

/** Turns text into ids and back. */
export interface Tokenizer {
  /** One more than the largest id. */
  readonly vocabSize: number;
  /** Ids of control tokens by their text. */
  readonly specialIds: ReadonlyMap<string, number>;
  /**
   * The ids of a text. Control tokens inside are plain text unless `control` is given; lone surrogates count as U+FFFD.
   *
   * @throws RangeError if a word is too long to be split in bounded time.
   */
  encode(text: string, options?: EncodeOptions): Int32Array;
  /**
   * The text of some ids, control tokens left out.
   *
   * @throws RangeError for an id that the vocabulary does not have.
   */
  decode(ids: ArrayLike<number>): string;
  /** Marks the texts of control tokens inside a text, so that they stay plain text when it becomes part of one with `control`. */
  guard(text: string): string;
  /** A decoder of tokens as they come. */
  stream(): TextStream;
}
