/**
 * What a method reads of a cache when a language model decodes.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import type { Tensor } from "../device/tensor.ts";

/** The tokens that one query token reads; without a list all, without a band wherever they are. */
export interface Choice {
  /** i32 [lists, cap], one list for all, per key head or per query head: tokens e * step to e * step + step - 1 of every entry up to the first -1. */
  readonly list?: Tensor;
  /** Tokens that an entry names. @default 1 */
  readonly step?: number;
  /** i32 [Hkv, 2] = (sink, window): token t is read only if t < sink or it is among the last `window`. */
  readonly band?: Tensor;
}

/** Sizes of the cache that a selection follows. */
export interface CacheShape {
  /** Query heads. */
  readonly queryHeads: number;
  /** Key heads; they divide the query heads. */
  readonly heads: number;
  /** Columns of a head. */
  readonly headDim: number;
  /** The layer of the model, from 0; goes before an option `layer`. */
  readonly layer?: number | undefined;
}

/** What a selector keeps beside one cache: labels, page statistics, lists to use again. */
export interface Selection extends Disposable {
  /** Bytes that it holds on the device. */
  readonly bytes: number;
  /**
   * Takes the keys of new tokens, in order and before anything was lost to storage.
   *
   * @param k [Hkv, n, D], float32.
   */
  append(k: Tensor): void;
  /** Forgets the tokens from `length` on. */
  truncate(length: number): void;
  /** A copy that goes on by itself. */
  fork(): Selection;
  /**
   * Chooses for the query of the newest token.
   *
   * @param device Receives the lists; the caller frees them.
   * @param q [Hq, D].
   * @param length Tokens in the cache, that of the query included.
   * @returns `undefined` to read everything.
   */
  choose(device: Device, q: Tensor, length: number): Choice | undefined;
  /** Gives its memory back. */
  dispose(): void;
}

/** Chooses what decode reads. */
export interface Selector {
  /** Name of the method. */
  readonly name: string;
  /**
   * Begins to follow a cache.
   *
   * @throws RangeError if the method was calibrated for another shape.
   */
  start(device: Device, shape: CacheShape): Selection;
}
