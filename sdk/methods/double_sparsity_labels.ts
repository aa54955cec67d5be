/**
 * The label cache of Double Sparsity: a few channels of every key, as small codes.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { GrowingRows } from "../device/growing_rows.ts";
import { type KeyRows, readRows, scoreRows } from "../device/ops/cached_rows.ts";
import { gather } from "../device/ops/gather.ts";
import { groupSum } from "../device/ops/group_mean.ts";
import { quantize } from "../device/ops/quantize.ts";
import { reshape } from "../device/ops/reshape.ts";
import { transpose } from "../device/ops/transpose.ts";
import { floatCodec, integerCodec, type RowCodec } from "../device/row_codec.ts";
import type { Tensor } from "../device/tensor.ts";
import type { ProfileShape } from "./double_sparsity_profile.ts";

/** Bits of a label; with 16 labels are float16 numbers, else codes with a step and a smallest value per head and token. */
export type LabelBits = 4 | 8 | 16;

/** What labels are made of. */
export interface LabelOptions {
  /** Label channels, all lists of one length: a list per query head, or per key head if its query heads share one. */
  readonly channels: readonly (readonly number[])[];
  /** Bits of a label. */
  readonly bits: LabelBits;
  /** Whether the labels of a query are rounded like those of a key. */
  readonly quantiseQuery: boolean;
}

/** Labels of all keys of one cache, on the device. */
export class LabelCache implements Disposable {
  readonly #device: Device;
  readonly #shape: ProfileShape;
  readonly #options: LabelOptions;
  /** i32 [lists, r]: where the channels of a list lie among the columns of all key heads. */
  readonly #keyColumns: Tensor;
  /** i32 [queryHeads, r]: the same for queries. */
  readonly #queryColumns: Tensor;
  readonly #codec: RowCodec;
  /** Labels of every list. */
  readonly #data: GrowingRows;
  /** (step, min) of codes. */
  readonly #meta: GrowingRows | undefined;

  /** @param of Is copied, if given. */
  constructor(device: Device, shape: ProfileShape, options: LabelOptions, of?: LabelCache) {
    const { queryHeads, heads, headDim } = shape;
    const { channels } = options;
    this.#device = device;
    this.#shape = shape;
    this.#options = options;
    const columns = (own: number, columnHeads: number): Tensor => {
      const table = Array.from({ length: own }, (_, h) => {
        const first = Math.floor(h * columnHeads / own) * headDim;
        return channels[Math.floor(h * channels.length / own)]!.map((channel) => first + channel);
      });
      return device.tensor(Int32Array.from(table.flat()), [own, table[0]!.length]);
    };
    this.#keyColumns = columns(channels.length, heads);
    this.#queryColumns = columns(queryHeads, queryHeads);
    const [lists, r] = this.#keyColumns.shape as [number, number];
    const { bits } = options;
    this.#codec = bits === 16 ? floatCodec("f16", r) : integerCodec(bits, r, r);
    const { dtype, width, pairs } = this.#codec;
    this.#data = of ? of.#data.fork() : new GrowingRows(device, lists, width, dtype);
    this.#meta = pairs === 0
      ? undefined
      : of
      ? of.#meta?.fork()
      : new GrowingRows(device, lists, pairs, "f32");
  }

  /** Lists of label channels: as many as query heads, or as key heads. */
  get lists(): number {
    return this.#keyColumns.shape[0]!;
  }

  /** Tokens that have labels. */
  get length(): number {
    return this.#data.length;
  }

  /** Bytes on the device. */
  get bytes(): number {
    const { tensor } = this.#data;
    return [tensor, this.#meta?.tensor, this.#keyColumns, this.#queryColumns].reduce(
      (sum, x) => sum + (x?.bytes ?? 0),
      0,
    );
  }

  /** Labels the keys [heads, n, headDim] of new tokens. */
  append(k: Tensor): void {
    using scope = this.#device.scope();
    const { heads, headDim } = this.#shape;
    const [lists, r] = this.#keyColumns.shape as [number, number];
    const n = k.shape[1]!;
    const columns = reshape(scope, n === 1 ? k : transpose(scope, k, [0, 2, 1]), [heads * headDim, n]);
    const picked = gather(scope, columns, this.#keyColumns);
    const labels = n === 1 ? reshape(scope, picked, [lists, 1, r]) : transpose(scope, picked, [0, 2, 1]);
    const { rows, meta } = this.#codec.encode(scope, labels);
    this.#data.append(rows);
    if (meta) this.#meta?.append(meta);
  }

  /** Forgets the tokens from `length` on. */
  truncate(length: number): void {
    if (length >= this.length) return;
    this.#data.setLength(length);
    this.#meta?.setLength(length);
  }

  /** A copy that goes on by itself. */
  fork(): LabelCache {
    return new LabelCache(this.#device, this.#shape, this.#options, this);
  }

  /** The rows of the first `count` tokens; there must be that many. */
  rows(count: number): KeyRows {
    const [lists, r] = this.#keyColumns.shape as [number, number];
    return {
      form: this.#codec.form,
      k: this.#data.tensor,
      ...(this.#meta && { meta: this.#meta.tensor, metaHead: this.#meta.stride }),
      kvHeads: lists,
      headDim: r,
      rows: count,
      kHead: this.#data.capacity * r,
    };
  }

  /**
   * Approximate scores of a query, q . k over the label channels / sqrt(r), summed over query heads that share a list.
   *
   * @param q [queryHeads, headDim].
   * @param count Tokens to score, the first ones.
   * @param out Receives them instead of a new tensor: [lists, at least `count`].
   * @returns [lists, count], or `out`.
   */
  scores(d: Device, q: Tensor, count: number, out?: Tensor): Tensor {
    using scope = d.scope();
    const { channels, bits, quantiseQuery } = this.#options;
    const [queryHeads, r] = this.#queryColumns.shape as [number, number];
    const flat = reshape(scope, q, [q.size, 1]);
    let labels = reshape(scope, gather(scope, flat, this.#queryColumns), [queryHeads, r]);
    if (quantiseQuery && bits !== 16) labels = rounded(scope, labels, bits);
    const group = queryHeads / channels.length;
    if (group > 1) {
      const shared = reshape(scope, labels, [channels.length, group, r]);
      labels = reshape(scope, groupSum(scope, shared, group), [channels.length, r]);
    }
    const scored = scoreRows(scope, labels, this.rows(count), {
      scale: 1 / Math.sqrt(r),
      ...(out && { out }),
    });
    return out ?? scope.keep(scored);
  }

  /** Gives the memory back. */
  [Symbol.dispose](): void {
    for (const x of [this.#data, this.#meta, this.#keyColumns, this.#queryColumns]) x?.dispose();
  }
}

/** Rows [heads, r] as their codes tell them. */
function rounded(d: Device, labels: Tensor, bits: 4 | 8): Tensor {
  const [heads, r] = labels.shape as [number, number];
  const { codes, meta } = quantize(d, labels, { bits });
  const form = bits === 8 ? "int8" : "int4";
  const sizes = {
    kvHeads: heads,
    headDim: r,
    kHead: r,
    vHead: r,
    metaHead: 2,
    vMetaAt: 0,
    first: 0,
    rows: 1,
  };
  return reshape(d, readRows(d, { form, k: codes, v: codes, meta, ...sizes }, "k"), [heads, r]);
}
