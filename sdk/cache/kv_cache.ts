/**
 * Keys and values of the tokens so far.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { WeightsError } from "../device/errors.ts";
import { concat } from "../device/ops/concat.ts";
import { type CachedRows, readRows } from "../device/ops/cached_rows.ts";
import type { Tensor } from "../device/tensor.ts";
import type { Selection, Selector } from "../methods/selector.ts";
import { decodeCache, encodeCache } from "./cache_file.ts";
import { dense } from "./dense.ts";
import { storageOf } from "./storage_of.ts";
import type { Storage, Store } from "./storage.ts";

/** Options of {@linkcode KVCache}. */
export interface KVCacheOptions {
  /** Key heads. */
  readonly heads: number;
  /** Columns of a head. */
  readonly headDim: number;
  /** How rows are kept. @default dense() */
  readonly storage?: Storage;
  /** Query heads, a multiple of the key heads; only a selector asks. @default as many as key heads */
  readonly queryHeads?: number;
  /** Chooses what decode reads; given here it sees every key before storage rounds it. */
  readonly select?: Selector | undefined;
  /** The layer of the model, from 0; selectors and `paged` ask. @default what the selector was made for */
  readonly layer?: number | undefined;
  /** Tokens that the cache takes at most. @default no limit */
  readonly capacity?: number;
  /** Tokens to take memory for at once. @default 256 */
  readonly reserve?: number;
}

/**
 * The keys and values of one layer and one sequence.
 *
 * A cache lives until it, or the device (or scope) that it was made on, is disposed of.
 *
 * @example
 * ```ts
 * import { openDevice } from "../device/mod.ts";
 * import { decode, KVCache, quantized } from "./mod.ts";
 *
 * const device = await openDevice();
 * const cache = new KVCache(device, { heads: 2, headDim: 64, storage: quantized({ bits: 8 }) });
 * const rows = device.tensor(new Float32Array(2 * 100 * 64), [2, 100, 64]);
 * cache.append(rows, rows);
 * const q = device.tensor(new Float32Array(8 * 64), [8, 1, 64]);
 * console.log(decode(device, q, cache).shape, cache.length); // [8, 1, 64] 100
 * device.dispose();
 * ```
 */
export class KVCache {
  /** Key heads. */
  readonly heads: number;
  /** Columns of a head. */
  readonly headDim: number;
  /** How rows are kept. */
  readonly storage: Storage;
  /** Query heads that selections are made for. */
  readonly queryHeads: number;
  /** The layer of the model, if it was told. */
  readonly layer: number | undefined;
  /** Tokens that the cache takes at most. */
  readonly capacity: number;
  readonly #device: Device;
  readonly #store: Store;
  readonly #selections = new Map<Selector, Selection>();

  /**
   * An empty cache.
   *
   * @param device Holds it.
   * @param options Its sizes and how it keeps rows.
   * @param of Is copied, if given; see {@linkcode KVCache.fork}.
   * @throws RangeError if a size is out of range or the storage cannot keep such heads.
   */
  constructor(device: Device, options: KVCacheOptions, of?: KVCache) {
    const { heads, headDim, storage = dense(), queryHeads = heads, layer, capacity = Infinity } = options;
    const { reserve = Math.min(256, capacity) } = options;
    for (const [name, value] of Object.entries({ heads, headDim, "layer + 1": (layer ?? 0) + 1 })) {
      if (Number.isInteger(value) && value >= 1) continue;
      throw new RangeError(`Cannot make a cache: "${name}" is ${value}, expected a whole number from 1`);
    }
    if (!(Number.isInteger(queryHeads) && queryHeads > 0 && queryHeads % heads === 0)) {
      throw new RangeError(
        `Cannot make a cache: "queryHeads" is ${queryHeads}, expected a multiple of ${heads}`,
      );
    }
    if (!(capacity > 0) || !(Number.isInteger(reserve) && reserve >= 0)) {
      throw new RangeError(
        `Cannot make a cache: "capacity" is ${capacity} and "reserve" ${reserve}, expected numbers of tokens`,
      );
    }
    this.heads = heads;
    this.headDim = headDim;
    this.storage = storage;
    this.queryHeads = queryHeads;
    this.layer = layer;
    this.capacity = capacity;
    this.#device = device;
    if (of) {
      this.#store = of.#store.fork();
      for (const [selector, selection] of of.#selections) this.#selections.set(selector, selection.fork());
      return;
    }
    this.#store = storage.open(this.#device, { heads, headDim, reserve, layer });
    if (!options.select) return;
    try {
      this.#follow(options.select);
    } catch (error) {
      this.#store.dispose();
      throw error;
    }
  }

  /** Tokens. */
  get length(): number {
    return this.#store.length;
  }

  /** Bytes on the device, selections included. */
  get bytes(): number {
    return [...this.#selections.values()].reduce(
      (sum, selection) => sum + selection.bytes,
      this.#store.bytes,
    );
  }

  /**
   * Takes new tokens.
   *
   * @param k Keys [heads, n, headDim], float32, rotated as attention needs them.
   * @param v Values, of the same shape.
   * @throws RangeError if shapes do not fit or the cache would pass its capacity; nothing is taken then.
   */
  append(k: Tensor, v: Tensor): void {
    const n = k.shape[1] ?? 0;
    for (const [name, x] of [["k", k], ["v", v]] as const) {
      if (x.dtype !== "f32") {
        throw new TypeError(`Cannot append to the cache: "${name}" has type "${x.dtype}", expected "f32"`);
      }
      const { shape } = x;
      if (shape.length === 3 && shape[0] === this.heads && shape[1] === n && shape[2] === this.headDim) {
        continue;
      }
      throw new RangeError(
        `Cannot append to the cache: "${name}" has shape [${shape}], expected [${this.heads}, n, ${this.headDim}], n the same for both`,
      );
    }
    if (this.length + n > this.capacity) {
      throw new RangeError(
        `Cannot append ${n} tokens to the cache: it holds ${this.length} and takes at most ${this.capacity}; truncate it or make a larger one`,
      );
    }
    if (n === 0) return;
    this.#store.append(k, v);
    for (const selection of this.#selections.values()) selection.append(k);
  }

  /**
   * Forgets the tokens from `length` on.
   *
   * @throws RangeError if `length` is not from 0 to the tokens in the cache.
   */
  truncate(length: number): void {
    if (!(Number.isInteger(length) && length >= 0 && length <= this.length)) {
      throw new RangeError(
        `Cannot truncate the cache to ${length} tokens: expected a whole number from 0 to ${this.length}`,
      );
    }
    if (length === this.length) return;
    this.#store.truncate(length);
    for (const selection of this.#selections.values()) selection.truncate(length);
  }

  /** A copy that goes on by itself: a prompt that several answers share is computed once. */
  fork(): KVCache {
    const { heads, headDim, storage, queryHeads, layer, capacity } = this;
    return new KVCache(this.#device, { heads, headDim, storage, queryHeads, layer, capacity }, this);
  }

  /** Whether decode needs {@linkcode KVCache.fetch} before. */
  get offloaded(): boolean {
    return this.#store.fetch !== undefined;
  }

  /**
   * Brings the tokens that a query reads to the device, where they are elsewhere; caches that are not offloaded have nothing to do. The query may be a prediction, made before the newest
   * token is appended: tokens that are appended later are read in any case.
   *
   * @param q [Hq, 1, D].
   * @param options What selects, and how many tokens the query is ahead of those in the cache (1 before its own is appended).
   * @throws OffloadError if the tokens cannot be brought back as they were.
   */
  async fetch(
    device: Device,
    q: Tensor,
    options: { readonly select?: Selector | undefined; readonly ahead?: number } = {},
  ): Promise<void> {
    if (!this.#store.fetch) return;
    using scope = device.scope();
    const { select, ahead = 0 } = options;
    const query = scope.view(q, [this.queryHeads, this.headDim]);
    const total = this.length + ahead;
    const choice = select && this.selection(select).choose(scope, query, total);
    await this.#store.fetch(choice, this.queryHeads, total);
  }

  /** Compresses what may be; decode does so after every token, a prefill calls it once its attention is done. */
  compact(): void {
    this.#store.compact();
  }

  /** Compresses what may be and gives back memory that was reserved in excess. */
  async settle(): Promise<void> {
    await this.#store.settle();
  }

  /** Where the rows lie on the device, for kernels: sections that hold every token once, in order. */
  sections(): readonly CachedRows[] {
    return this.#store.sections();
  }

  /**
   * The rows as attention sees them, in float32: pruned or rounded as the storage does.
   *
   * @param device Receives them.
   * @returns Keys and values [heads, length, headDim]; zeros where a head has forgotten a token.
   */
  rows(device: Device = this.#device): { readonly k: Tensor; readonly v: Tensor } {
    using scope = device.scope();
    const all = (kind: "k" | "v"): Tensor => {
      const parts = this.sections().map((section) => readRows(scope, section, kind));
      return scope.keep(parts.length === 1 ? parts[0]! : concat(scope, parts, 1));
    };
    return { k: all("k"), v: all("v") };
  }

  /**
   * The rows as one safetensors file. What selectors keep is not in it: it is made again from the rows.
   *
   * @returns The file, for {@linkcode KVCache.restore}.
   */
  async save(): Promise<Uint8Array<ArrayBuffer>> {
    await this.settle();
    using scope = this.#device.scope();
    const { numbers, tensors } = this.#store.state(scope);
    const { heads, headDim, queryHeads, layer, length } = this;
    return await encodeCache(
      { heads, headDim, queryHeads, layer, length, storage: this.storage.spec, numbers },
      tensors,
    );
  }

  /**
   * Makes a cache of a file that {@linkcode KVCache.save} wrote.
   *
   * @param options A storage goes before that of the file: functions (the `keep` of pages) are not saved.
   * @throws WeightsError if the file is not such a file.
   */
  static restore(
    device: Device,
    file: Uint8Array,
    options: Pick<KVCacheOptions, "storage" | "capacity" | "select"> = {},
  ): KVCache {
    const { header, arrays } = decodeCache(file);
    let cache: KVCache | undefined;
    using scope = device.scope();
    try {
      const { heads, headDim, queryHeads, layer, length: reserve } = header;
      const { storage = storageOf(header.storage), capacity = Infinity } = options;
      cache = new KVCache(device, { heads, headDim, queryHeads, layer, storage, capacity, reserve });
      const tensors = [...arrays].map(([name, { data, shape }]) => [name, scope.tensor(data, shape)]);
      cache.#store.restore({ numbers: header.numbers, tensors: Object.fromEntries(tensors) });
      if (cache.length !== reserve) {
        throw new RangeError(`it holds ${cache.length} tokens, expected ${reserve}`);
      }
      if (options.select) cache.#follow(options.select);
      return cache;
    } catch (cause) {
      cache?.dispose();
      // A device that is lost or full says nothing of the file.
      if (!(cause instanceof TypeError || cause instanceof RangeError)) throw cause;
      throw new WeightsError(`Cannot restore the cache: ${cause.message}`, { cause });
    }
  }

  /** What a selector keeps beside this cache; begins to follow, from the stored keys, if it does not yet. */
  selection(select: Selector): Selection {
    return this.#selections.get(select) ?? this.#follow(select);
  }

  #follow(select: Selector): Selection {
    const { queryHeads, heads, headDim, layer } = this;
    const selection = select.start(this.#device, { queryHeads, heads, headDim, layer });
    try {
      if (this.length > 0) {
        using scope = this.#device.scope();
        selection.append(this.rows(scope).k);
      }
    } catch (error) {
      selection.dispose();
      throw error;
    }
    this.#selections.set(select, selection);
    return selection;
  }

  /** What holds the rows; its form depends on the storage. */
  get store(): Store {
    return this.#store;
  }

  /** Gives all memory back. Twice is allowed. */
  dispose(): void {
    for (const selection of this.#selections.values()) selection.dispose();
    this.#selections.clear();
    this.#store.dispose();
  }

  /** Gives all memory back. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}
