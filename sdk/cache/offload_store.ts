/**
 * The store of {@linkcode offload}: older tokens outside the device, the newest on it, and what was fetched for the next step.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import type { CachedRows } from "../device/ops/cached_rows.ts";
import type { Tensor } from "../device/tensor.ts";
import type { Choice } from "../methods/selector.ts";
import type { ChunkPool } from "./chunk_pool.ts";
import type { FetchedRows, HostCodec } from "./host_codec.ts";
import { readChoice } from "./read_choice.ts";
import { RowStore } from "./row_store.ts";
import type { RowShape, Section, Store, StoreState } from "./storage.ts";

/** How a store offloads. */
export interface OffloadRules {
  readonly host: HostCodec;
  readonly window: number;
  readonly chunk: number;
  readonly pool: () => Promise<ChunkPool>;
}

/** Tokens that left the device together. */
interface Chunk {
  readonly first: number;
  /** How many of them count: fewer after a truncation. */
  readonly count: number;
  readonly slot: Promise<number>;
}

/** What the next step reads of tokens that left the device. */
interface Fetched {
  readonly rows: FetchedRows | undefined;
  /** Rows of every head. */
  readonly perHead: number;
  /** Which of its key head's rows each list reads. @default all */
  readonly local: Tensor | undefined;
  /** Chosen tokens that are on the device, by list. @default all */
  readonly near: readonly (readonly number[])[] | undefined;
  /** Tokens that there were; later ones are read in any case. */
  readonly length: number;
}

/** Older tokens outside the device. */
export class OffloadStore implements Store {
  readonly #device: Device;
  readonly #shape: RowShape;
  readonly #rules: OffloadRules;
  #window: RowStore;
  #chunks: Chunk[] = [];
  #numbers: readonly number[] = [];
  #pool: Promise<ChunkPool> | undefined;
  #fetched: Fetched | undefined;
  /** Counts what makes a fetch that is under way worthless. */
  #epoch = 0;

  constructor(device: Device, shape: RowShape, rules: OffloadRules, of?: OffloadStore) {
    this.#device = device;
    this.#shape = shape;
    this.#rules = rules;
    this.#window = of
      ? of.#window.fork()
      : new RowStore(device, { ...shape, reserve: rules.window + rules.chunk }, rules.host.rows);
    if (of && of.#pool) {
      this.#chunks = [...of.#chunks];
      this.#pool = of.#pool.then((pool) => (pool.retain(), pool));
      this.#pool.catch(() => {});
    }
  }

  /** Tokens that are not on the device. */
  get #away(): number {
    const last = this.#chunks.at(-1);
    return last ? last.first + last.count : 0;
  }

  get length(): number {
    return this.#away + this.#window.length;
  }

  get bytes(): number {
    const { rows, local } = this.#fetched ?? {};
    const fetched = [rows?.k, rows?.v, rows?.meta, local].reduce((sum, x) => sum + (x?.bytes ?? 0), 0);
    return this.#window.bytes + fetched;
  }

  append(k: Tensor, v: Tensor): void {
    // What was fetched for this step must not be joined by tokens that leave meanwhile.
    if (!this.#fetched) this.compact();
    this.#window.append(k, v);
  }

  compact(): void {
    this.#drop();
    const { window, chunk, host } = this.#rules;
    const leaving = Math.floor((this.#window.length - window) / chunk) * chunk;
    if (leaving <= 0) return;
    this.#pool ??= this.#rules.pool();
    const [rows] = this.#window.sections();
    for (let from = 0; from < leaving; from += chunk) {
      const bytes = host.pack(this.#device, rows!, from, from + chunk);
      const slot = Promise.all([this.#pool, bytes]).then(([pool, data]) => pool.write(data));
      // It is told by whoever needs the chunk.
      slot.catch(() => {});
      this.#chunks.push({ first: this.#away, count: chunk, slot });
    }
    this.#window.dropFirst(leaving, window + chunk);
  }

  async settle(): Promise<void> {
    this.compact();
    await Promise.all(this.#chunks.map(({ slot }) => slot));
  }

  async fetch(choice: Choice | undefined, queryHeads: number, total: number): Promise<void> {
    this.#drop();
    const epoch = ++this.#epoch;
    const length = this.length;
    const lists = choice && await readChoice(choice, { heads: this.#shape.heads, queryHeads, length: total });
    const away = this.#away;
    if (lists === undefined) {
      const all = Array.from({ length: away }, (_, t) => t);
      const { rows, perHead } = await this.#bring(this.#eachHead(() => all));
      return this.#set({ rows, perHead, local: undefined, near: undefined, length }, epoch);
    }
    const far = lists.map((list) => list.filter((t) => t < away));
    const groups = lists.length / this.#shape.heads;
    const union = this.#eachHead((head) => {
      const own = lists.length === 1 ? far : far.slice(head * groups, (head + 1) * groups);
      return own.length === 1 ? own[0]! : [...new Set(own.flat())].sort((a, b) => a - b);
    });
    const { rows, perHead } = await this.#bring(union);
    const near = lists.map((list) => list.filter((t) => t >= away && t < length));
    // Lists that are their head's rows need no second list, unless rows of shorter ones are missing.
    const local = localLists(union, far, groups, perHead);
    const tensor = local && this.#device.tensor(local.data, local.shape);
    this.#set({ rows, perHead, local: tensor, near, length }, epoch);
  }

  #eachHead<T>(make: (head: number) => T): T[] {
    return Array.from({ length: this.#shape.heads }, (_, head) => make(head));
  }

  async #bring(
    tokens: readonly ArrayLike<number>[],
  ): Promise<{ rows: FetchedRows | undefined; perHead: number }> {
    const perHead = tokens.reduce((most, list) => Math.max(most, list.length), 0);
    if (perHead === 0) return { rows: undefined, perHead };
    const slots = new Int32Array(tokens.length * perHead).fill(-1);
    const places = new Int32Array(slots.length);
    const numbers = await this.#slots();
    for (const [head, list] of tokens.entries()) {
      for (let i = 0; i < list.length; i++) {
        const chunk = this.#chunkOf(list[i]!);
        slots[head * perHead + i] = numbers[chunk]!;
        places[head * perHead + i] = list[i]! - this.#chunks[chunk]!.first;
      }
    }
    const { host, chunk } = this.#rules;
    const wanted = { perHead, slots, tokens: places, chunk };
    return { rows: await host.fetch(this.#device, await this.#pool!, wanted), perHead };
  }

  /** Numbers of the pieces, once all are written. */
  async #slots(): Promise<readonly number[]> {
    if (this.#numbers.length < this.#chunks.length) {
      this.#numbers = await Promise.all(this.#chunks.map(({ slot }) => slot));
    }
    return this.#numbers;
  }

  /** The chunk of a token, by bisection. */
  #chunkOf(token: number): number {
    let [low, high] = [0, this.#chunks.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.#chunks[middle]!.first <= token) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** Takes up what was fetched, unless something has made it worthless since. */
  #set(fetched: Fetched, epoch: number): void {
    if (epoch !== this.#epoch) return dispose(fetched);
    this.#drop();
    this.#fetched = fetched;
  }

  #drop(): void {
    if (this.#fetched) dispose(this.#fetched);
    this.#fetched = undefined;
  }

  truncate(length: number): void {
    this.#epoch++;
    this.#drop();
    const away = this.#away;
    if (length >= away) return this.#window.truncate(length - away);
    this.#window.truncate(0);
    this.#numbers = [];
    this.#chunks = this.#chunks
      .filter(({ first }) => first < length)
      .map((chunk) => ({ ...chunk, count: Math.min(chunk.count, length - chunk.first) }));
  }

  fork(): OffloadStore {
    return new OffloadStore(this.#device, this.#shape, this.#rules, this);
  }

  sections(): readonly CachedRows[] {
    if (this.#away > 0) {
      throw new Error(
        `Cannot read this cache at once: ${this.#away} of its ${this.length} tokens are not on the device; decode token by token, and give "select" when the cache is made`,
      );
    }
    return this.#window.sections();
  }

  chosen(device: Device): readonly Section[] | undefined {
    if (this.#away === 0 && !this.#fetched) return undefined;
    const fetched = this.#fetched;
    if (!fetched) {
      throw new Error(
        "Cannot decode: the tokens of this step are not on the device, call `await cache.fetch(device, q, { select })` before",
      );
    }
    const away = this.#away;
    const [window] = this.#window.sections(away);
    const { rows, perHead, local, near, length } = fetched;
    const parts: Section[] = [];
    if (rows) {
      // Their places stand in for tokens: lists that were made for them say which.
      parts.push({ rows: { ...rows, first: 0, rows: perHead }, ...(local && { list: local }) });
    }
    if (near) {
      const fresh = Array.from({ length: this.length - length }, (_, i) => length + i);
      const lists = near.map((list) => [...list, ...fresh]);
      const cap = Math.max(1, ...lists.map((list) => list.length));
      const flat = lists.flatMap((list) => [...list, ...new Array<number>(cap - list.length).fill(-1)]);
      parts.push({ rows: window!, list: device.tensor(Int32Array.from(flat), [lists.length, cap]) });
    } else parts.push({ rows: window! });
    return parts;
  }

  state(): StoreState {
    throw new Error("Cannot save an offloaded cache: save one that is on the device");
  }

  restore(): void {
    throw new Error("Cannot restore an offloaded cache: restore one that is on the device");
  }

  dispose(): void {
    this.#epoch++;
    this.#drop();
    this.#window.dispose();
    const chunks = this.#chunks;
    this.#pool?.then(async (pool) => {
      await Promise.allSettled(chunks.map(({ slot }) => slot));
      pool.release();
    }).catch(() => {
      // It never opened.
    });
  }
}

function dispose({ rows, local }: Fetched): void {
  for (const tensor of [rows?.k, rows?.v, rows?.meta, local]) tensor?.dispose();
}

/** Which rows of its head each list reads, or nothing where every list reads all rows. */
function localLists(
  union: readonly (readonly number[])[],
  far: readonly (readonly number[])[],
  groups: number,
  perHead: number,
): { data: Int32Array<ArrayBuffer>; shape: [number, number] } | undefined {
  if (perHead === 0) return undefined;
  const lists = far.length === 1 ? union.map(() => far[0]!) : far;
  const each = far.length === 1 ? 1 : groups;
  if (each === 1 && lists.every((list) => list.length === perHead)) return undefined;
  const data = new Int32Array(lists.length * perHead).fill(-1);
  for (const [at, list] of lists.entries()) {
    const places = new Map(union[Math.floor(at / each)]!.map((token, place) => [token, place]));
    list.forEach((token, i) => data[at * perHead + i] = places.get(token)!);
  }
  return { data, shape: [lists.length, perHead] };
}
