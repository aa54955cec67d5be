/**
 * One text in the making: a cache for every layer.
 *
 * @module
 */
import type { KVCache } from "../cache/kv_cache.ts";
import type { Sequence } from "./language_model.ts";

/** The keys and values of the tokens of one text. */
export class DecoderSequence implements Sequence {
  /** The model that it is of. */
  readonly model: object;
  /** One cache for every layer. */
  readonly caches: readonly KVCache[];
  /** Fetches for the token that follows, layer by layer, where they were begun. */
  readonly coming: (Promise<void> | undefined)[] = [];

  /** Takes the caches over. */
  constructor(model: object, caches: readonly KVCache[]) {
    this.model = model;
    this.caches = caches;
  }

  /** Tokens that it holds. */
  get length(): number {
    return this.caches[0]!.length;
  }

  /** Whether its tokens are brought to the device for every step. */
  get offloaded(): boolean {
    return this.caches.some(({ offloaded }) => offloaded);
  }

  /** Bytes of its keys and values, selections included. */
  get bytes(): number {
    return this.caches.reduce((sum, cache) => sum + cache.bytes, 0);
  }

  /**
   * Forgets the tokens from place `length` on.
   *
   * @param length Tokens to keep.
   * @throws RangeError if it is not from 0 to the present length.
   */
  truncate(length: number): void {
    this.coming.length = 0;
    for (const cache of this.caches) cache.truncate(length);
  }

  /** A copy that goes its own way. @returns The copy. */
  fork(): DecoderSequence {
    const copies: KVCache[] = [];
    try {
      for (const cache of this.caches) copies.push(cache.fork());
    } catch (error) {
      for (const copy of copies) copy.dispose();
      throw error;
    }
    return new DecoderSequence(this.model, copies);
  }

  /** Gives its memory back. Twice is allowed. */
  dispose(): void {
    for (const cache of this.caches) cache.dispose();
  }

  /** Gives its memory back. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/**
 * Takes back what an error left half done: some layers have the new tokens, others have not.
 *
 * @param sequences The sequences.
 * @param lengths How long each was.
 */
export function takeBack(sequences: readonly DecoderSequence[], lengths: readonly number[]): void {
  sequences.forEach(({ caches, coming }, i) => {
    coming.length = 0;
    for (const cache of caches) {
      try {
        cache.truncate(Math.min(lengths[i]!, cache.length));
      } catch {
        // What went wrong first (a lost device, mostly) is thrown by the caller.
      }
    }
  });
}
