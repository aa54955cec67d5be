/**
 * Rows of any form, one token after the other.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import type { CachedRows } from "../device/ops/cached_rows.ts";
import type { Tensor } from "../device/tensor.ts";
import { GrowingRows } from "../device/growing_rows.ts";
import type { RowCodec } from "../device/row_codec.ts";
import type { RowShape, Storage, StorageSpec, Store, StoreState } from "./storage.ts";

/** A storage of rows of one form. */
export function rowStorage(spec: StorageSpec, codec: (headDim: number) => RowCodec): Storage {
  return { spec, codec, open: (device, shape) => new RowStore(device, shape, codec(shape.headDim)) };
}

/** What a row store consists of. */
interface Parts {
  readonly k: GrowingRows;
  readonly v: GrowingRows;
  /** (step, min) of the keys of every head, then of the values. */
  readonly meta?: GrowingRows;
}

/** Keys and values as rows that lie one after the other. */
export class RowStore implements Store {
  readonly #device: Device;
  readonly #shape: RowShape;
  readonly #codec: RowCodec;
  readonly #parts: Parts;

  constructor(device: Device, shape: RowShape, codec: RowCodec, parts?: Parts) {
    this.#device = device;
    this.#shape = shape;
    this.#codec = codec;
    const { heads, reserve } = shape;
    const rows = (count: number, width: number, dtype = codec.dtype): GrowingRows =>
      new GrowingRows(device, count, width, dtype, Math.max(1, reserve));
    this.#parts = parts ?? {
      k: rows(heads, codec.width),
      v: rows(heads, codec.width),
      ...(codec.pairs > 0 && { meta: rows(2 * heads, codec.pairs, "f32") }),
    };
  }

  get length(): number {
    return this.#parts.k.length;
  }

  get bytes(): number {
    return this.#all().reduce((sum, rows) => sum + rows.tensor.bytes, 0);
  }

  #all(): GrowingRows[] {
    const { k, v, meta } = this.#parts;
    return meta ? [k, v, meta] : [k, v];
  }

  append(k: Tensor, v: Tensor): void {
    using scope = this.#device.scope();
    const [keys, values] = [this.#codec.encode(scope, k), this.#codec.encode(scope, v)];
    this.#parts.k.append(keys.rows);
    this.#parts.v.append(values.rows);
    if (keys.meta && values.meta) this.#parts.meta?.append(keys.meta, values.meta);
  }

  compact(): void {}

  async settle(): Promise<void> {}

  truncate(length: number): void {
    for (const rows of this.#all()) rows.setLength(length);
  }

  /** Forgets the first `count` tokens, and keeps memory for `capacity`. */
  dropFirst(count: number, capacity: number): void {
    for (const rows of this.#all()) rows.dropFirst(count, capacity);
  }

  fork(): RowStore {
    const { k, v, meta } = this.#parts;
    const parts = { k: k.fork(), v: v.fork(), ...(meta && { meta: meta.fork() }) };
    return new RowStore(this.#device, this.#shape, this.#codec, parts);
  }

  sections(first = 0): readonly CachedRows[] {
    const { heads, headDim } = this.#shape;
    const { form, group } = this.#codec;
    const { k, v, meta } = this.#parts;
    return [{
      form,
      k: k.tensor,
      v: v.tensor,
      ...(meta && { meta: meta.tensor, metaHead: meta.stride, vMetaAt: heads * meta.stride }),
      kvHeads: heads,
      headDim,
      kHead: k.capacity * headDim,
      vHead: v.capacity * headDim,
      group,
      first,
      rows: this.length,
    }];
  }

  state(device: Device): StoreState {
    const { k, v, meta } = this.#parts;
    const tensors = { k: k.used(device), v: v.used(device), ...(meta && { meta: meta.used(device) }) };
    return { numbers: {}, tensors };
  }

  restore({ tensors }: StoreState): void {
    this.#parts.k.append(tensors["k"]!);
    this.#parts.v.append(tensors["v"]!);
    this.#parts.meta?.append(tensors["meta"]!);
    if (this.#all().some((rows) => rows.length !== this.length)) {
      throw new RangeError("it does not hold as many values as keys");
    }
  }

  dispose(): void {
    for (const rows of this.#all()) rows.dispose();
  }
}
