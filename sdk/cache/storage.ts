/**
 * How a cache keeps keys and values: what every storage offers.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import type { CachedRows } from "../device/ops/cached_rows.ts";
import type { Tensor } from "../device/tensor.ts";
import type { Choice } from "../methods/selector.ts";
import type { RowCodec } from "../device/row_codec.ts";

/** Sizes of the rows that a store keeps. */
export interface RowShape {
  /** Key heads. */
  readonly heads: number;
  /** Columns of a head. */
  readonly headDim: number;
  /** Tokens to take memory for at once. */
  readonly reserve: number;
  /** The layer of the model, if it was told. */
  readonly layer?: number | undefined;
}

/** A way to keep keys and values, as data; a cache opens one store of it. */
export interface Storage {
  /** Its name and options, enough to make it again with {@linkcode storageOf}. */
  readonly spec: StorageSpec;
  /** The form of its rows, where each is stored by itself. */
  readonly codec?: (headDim: number) => RowCodec;
  /**
   * An empty store.
   *
   * @throws RangeError if the storage cannot keep heads of this size.
   */
  open(device: Device, shape: RowShape): Store;
}

/** A storage as plain data. */
export interface StorageSpec {
  /** Which storage it is. */
  readonly name: string;
  /** Options by name. */
  readonly [option: string]: unknown;
}

/** Numbers and tensors that a store consists of. */
export interface StoreState {
  /** Numbers by name. */
  readonly numbers: Readonly<Record<string, readonly number[]>>;
  /** They belong to the device that was given. */
  readonly tensors: Readonly<Record<string, Tensor>>;
}

/** Rows that decode reads, and which of them. */
export interface Section {
  /** The rows. */
  readonly rows: CachedRows;
  /** i32 [lists, cap] of tokens, as in {@linkcode Choice}. @default all */
  readonly list?: Tensor;
}

/** The keys and values of one cache, on one device. */
export interface Store {
  /** Tokens. */
  readonly length: number;
  /** Bytes that it holds on the device. */
  readonly bytes: number;
  /** Takes the keys and values [heads, n, headDim] of new tokens, float32. */
  append(k: Tensor, v: Tensor): void;
  /** Compresses what may now be compressed; called once the newest tokens have been attended to. */
  compact(): void;
  /** Waits for what is known late, and gives back memory that was reserved in excess. */
  settle(): Promise<void>;
  /** Forgets the tokens from `length` on. */
  truncate(length: number): void;
  /** A copy that goes on by itself. */
  fork(): Store;
  /** Where the rows lie: sections that hold every token once, in order. */
  sections(): readonly CachedRows[];
  /** Brings what was chosen to the device, where not everything is there. */
  fetch?(choice: Choice | undefined, queryHeads: number, total: number): Promise<void>;
  /** What was fetched for this step; nothing where `sections` and the selector's choice say it all. */
  chosen?(device: Device): readonly Section[] | undefined;
  /** What to save. */
  state(device: Device): StoreState;
  /** Takes up what was saved; the store is empty before. */
  restore(state: StoreState): void;
  /** Gives its memory back. */
  dispose(): void;
}
