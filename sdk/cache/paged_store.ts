/**
 * The store of {@linkcode paged}: a pool of pages and a table that says where each head has its own.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import type { CachedRows } from "../device/ops/cached_rows.ts";
import { scatter } from "../device/ops/scatter.ts";
import type { Tensor } from "../device/tensor.ts";
import { GrowingRows } from "../device/growing_rows.ts";
import type { RowCodec } from "../device/row_codec.ts";
import type { RowShape, Store, StoreState } from "./storage.ts";

/** Whether a key head still needs a page when page `last` begins. */
export type Keep = (kvHead: number, page: number, last: number, layer: number) => boolean;

/** Where a page is that its head does not have (any more). */
const GONE = -1;

/** Pages of a pool that all heads share. */
export class PagedStore implements Store {
  readonly #device: Device;
  readonly #shape: RowShape;
  readonly #codec: RowCodec;
  readonly #page: number;
  readonly #keep: Keep;
  /** Rows of all pages: keys, values, and (step, min) of both. */
  readonly #pool: { k: GrowingRows; v: GrowingRows; meta?: GrowingRows };
  /** Places in the pool by head and page. */
  #places: number[][];
  #free: number[] = [];
  /** Places that were ever used. */
  #used = 0;
  #length = 0;
  #table: Tensor | undefined;

  constructor(
    device: Device,
    shape: RowShape,
    codec: RowCodec,
    page: number,
    keep: Keep = () => true,
    of?: PagedStore,
  ) {
    this.#device = device;
    this.#shape = shape;
    this.#codec = codec;
    this.#page = page;
    this.#keep = keep;
    if (of) {
      const { k, v, meta } = of.#pool;
      this.#pool = { k: k.fork(), v: v.fork(), ...(meta && { meta: meta.fork() }) };
      this.#places = structuredClone(of.#places);
      this.#free = [...of.#free];
      this.#used = of.#used;
      this.#length = of.#length;
      return;
    }
    const rows = (heads: number, width: number, dtype = codec.dtype): GrowingRows =>
      new GrowingRows(device, heads, width, dtype, Math.max(page, shape.reserve));
    this.#pool = {
      k: rows(1, codec.width),
      v: rows(1, codec.width),
      ...(codec.pairs > 0 && { meta: rows(2, codec.pairs, "f32") }),
    };
    this.#places = Array.from({ length: shape.heads }, () => []);
  }

  get length(): number {
    return this.#length;
  }

  get bytes(): number {
    return this.#all().reduce((sum, rows) => sum + rows.tensor.bytes, this.#table?.bytes ?? 0);
  }

  #all(): GrowingRows[] {
    const { k, v, meta } = this.#pool;
    return meta ? [k, v, meta] : [k, v];
  }

  append(k: Tensor, v: Tensor): void {
    using scope = this.#device.scope();
    const n = k.shape[1]!;
    const index = this.#open(n);
    const [keys, values] = [this.#codec.encode(scope, k), this.#codec.encode(scope, v)];
    const to = (rows: GrowingRows): Tensor =>
      scope.view(rows.tensor, [rows.tensor.shape[0]! * rows.capacity, rows.tensor.shape[2]!]);
    const places = scope.tensor(index, [this.#shape.heads, n]);
    scatter(scope, keys.rows, places, to(this.#pool.k));
    scatter(scope, values.rows, places, to(this.#pool.v));
    const { meta } = this.#pool;
    if (meta && keys.meta && values.meta) {
      const second = index.map((at) => at === GONE ? GONE : at + meta.capacity);
      scatter(scope, keys.meta, places, to(meta));
      scatter(scope, values.meta, scope.tensor(second, [this.#shape.heads, n]), to(meta));
    }
    this.#length += n;
  }

  /** Gives and takes pages for `n` more tokens. @returns Where each goes: [heads, n]. */
  #open(n: number): Int32Array<ArrayBuffer> {
    const [page, begin, end] = [this.#page, this.#length, this.#length + n];
    const last = Math.floor((end - 1) / page);
    const { layer = 0 } = this.#shape;
    const keeps = (head: number, at: number): boolean => this.#keep(head, at, last, layer);
    let changed = false;
    for (const [head, places] of this.#places.entries()) {
      if (places.length > last) continue;
      changed = true;
      for (const [at, place] of places.entries()) {
        if (place === GONE || keeps(head, at)) continue;
        this.#free.push(place);
        places[at] = GONE;
      }
      for (let at = places.length; at <= last; at++) {
        places.push(at === last || keeps(head, at) ? this.#free.pop() ?? this.#used++ : GONE);
      }
    }
    if (changed) this.#tableChanged();
    const index = new Int32Array(this.#shape.heads * n);
    this.#places.forEach((places, head) => {
      for (let t = begin; t < end; t++) {
        const place = places[Math.floor(t / page)]!;
        index[head * n + t - begin] = place === GONE ? GONE : place * page + t % page;
      }
    });
    return index;
  }

  #tableChanged(): void {
    this.#table?.dispose();
    this.#table = undefined;
    for (const rows of this.#all()) {
      rows.reserve(this.#used * this.#page);
      rows.setLength(this.#used * this.#page);
    }
  }

  /** The table on the device: [heads, pages]. */
  #tableTensor(): Tensor {
    const pages = this.#places[0]?.length ?? 0;
    this.#table ??= this.#device.tensor(Int32Array.from(this.#places.flat()), [this.#places.length, pages]);
    return this.#table;
  }

  compact(): void {}

  async settle(): Promise<void> {}

  truncate(length: number): void {
    const pages = Math.ceil(length / this.#page);
    for (const places of this.#places) {
      for (const place of places.splice(pages)) if (place !== GONE) this.#free.push(place);
    }
    this.#length = length;
    this.#tableChanged();
  }

  fork(): PagedStore {
    return new PagedStore(this.#device, this.#shape, this.#codec, this.#page, this.#keep, this);
  }

  sections(): readonly CachedRows[] {
    const { heads, headDim } = this.#shape;
    const { k, v, meta } = this.#pool;
    return [{
      form: this.#codec.form,
      k: k.tensor,
      v: v.tensor,
      ...(meta && { meta: meta.tensor, metaHead: 0, vMetaAt: meta.stride }),
      table: this.#tableTensor(),
      kvHeads: heads,
      headDim,
      kHead: 0,
      vHead: 0,
      group: this.#codec.group,
      page: this.#page,
      first: 0,
      rows: this.#length,
    }];
  }

  state(device: Device): StoreState {
    const { k, v, meta } = this.#pool;
    return {
      numbers: { length: [this.#length], places: this.#places.flat() },
      tensors: { k: k.used(device), v: v.used(device), ...(meta && { meta: meta.used(device) }) },
    };
  }

  restore({ numbers, tensors }: StoreState): void {
    const [length] = numbers["length"] as [number];
    const places = numbers["places"]!;
    const pages = Math.ceil(length / this.#page);
    this.#places = this.#places.map((_, head) => places.slice(head * pages, (head + 1) * pages));
    this.#length = length;
    this.#pool.k.append(tensors["k"]!);
    this.#pool.v.append(tensors["v"]!);
    this.#pool.meta?.append(tensors["meta"]!);
    this.#used = this.#pool.k.length / this.#page;
    const held = places.filter((place) => place !== GONE);
    const taken = new Set(held);
    const fits = places.length === pages * this.#places.length && taken.size === held.length &&
      held.every((place) => place >= 0 && place < this.#used) &&
      this.#all().every((rows) => rows.length === this.#pool.k.length);
    if (!fits) throw new RangeError("its table of pages does not fit the pages");
    this.#free = Array.from({ length: this.#used }, (_, place) => place).filter((place) => !taken.has(place));
  }

  dispose(): void {
    this.#table?.dispose();
    for (const rows of this.#all()) rows.dispose();
  }
}
