/**
 * The store of {@linkcode bitmap}: tiles of the older tokens, dense rows of the newest ones.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { type CachedRows, readRows } from "../device/ops/cached_rows.ts";
import { packBitmap } from "../device/ops/pack_bitmap.ts";
import { slice } from "../device/ops/slice.ts";
import type { Tensor } from "../device/tensor.ts";
import { GrowingRows } from "../device/growing_rows.ts";
import { floatCodec } from "../device/row_codec.ts";
import { RowStore } from "./row_store.ts";
import type { RowShape, Store, StoreState } from "./storage.ts";

/** What a bitmap store does with its rows. */
export interface BitmapRules {
  /** Which smallest magnitude of a key, counted from 1, is the least that stays. */
  readonly k: number;
  /** The same for values. */
  readonly v: number;
  /** Newest tokens that stay as they are. */
  readonly window: number;
  /** Tokens that are compressed at once. */
  readonly chunk: number;
  /** Element type of the tokens that wait. */
  readonly type: "f32" | "f16";
}

/** Words of a tile's entry: bits of the first 32 elements, of the others, offset. */
const ENTRY = 3;

/** How many elements the fullest head has packed, as far as it is known: exactly for the first `tokens` tokens. */
interface Packed {
  readonly tokens: number;
  readonly k: number;
  readonly v: number;
}

/** Older tokens as bitmap tiles, the newest as rows. */
export class BitmapStore implements Store {
  readonly #device: Device;
  readonly #shape: RowShape;
  readonly #rules: BitmapRules;
  /** Tokens that are compressed. */
  #tokens = 0;
  /** Elements that are left, one run per head. */
  #packed: { readonly k: GrowingRows; readonly v: GrowingRows };
  /** Entries of all tiles and one more: those of the keys of every head, then those of the values. */
  #meta: GrowingRows;
  #window: RowStore;
  /** Sizes lie on the device: they are read without waiting, and until then the worst is assumed. */
  #known: Packed = { tokens: 0, k: 0, v: 0 };
  #reading: Promise<void> | undefined;
  #ends: Tensor | undefined;
  #epoch = 0;

  constructor(device: Device, shape: RowShape, rules: BitmapRules, of?: BitmapStore) {
    this.#device = device;
    this.#shape = shape;
    this.#rules = rules;
    if (of) {
      this.#tokens = of.#tokens;
      this.#packed = { k: of.#packed.k.fork(), v: of.#packed.v.fork() };
      this.#meta = of.#meta.fork();
      this.#window = of.#window.fork();
      this.#known = of.#bound();
      return;
    }
    const { heads } = shape;
    const packed = (): GrowingRows => new GrowingRows(device, heads, 1, "f16");
    this.#packed = { k: packed(), v: packed() };
    this.#meta = new GrowingRows(device, 2 * heads, ENTRY, "i32");
    const begin = device.tensor(new Int32Array(2 * heads * ENTRY), [2 * heads, 1, ENTRY]);
    this.#meta.append(begin);
    begin.dispose();
    const codec = floatCodec(rules.type, shape.headDim);
    this.#window = new RowStore(device, { ...shape, reserve: rules.window + rules.chunk }, codec);
  }

  get length(): number {
    return this.#tokens + this.#window.length;
  }

  get bytes(): number {
    const { k, v } = this.#packed;
    return k.tensor.bytes + v.tensor.bytes + this.#meta.tensor.bytes + this.#window.bytes;
  }

  append(k: Tensor, v: Tensor): void {
    this.compact();
    this.#window.append(k, v);
  }

  compact(): void {
    const { window, chunk } = this.#rules;
    const waiting = this.#window.length;
    if (waiting < window + chunk) return;
    const n = Math.floor((waiting - window) / chunk) * chunk;
    const { headDim } = this.#shape;
    const tiles = n * headDim / 64;
    const tile0 = this.#meta.length - 1;
    // All elements of these tokens may have to stay.
    const { k, v } = this.#bound();
    this.#packed.k.reserve(k + n * headDim);
    this.#packed.v.reserve(v + n * headDim);
    this.#meta.reserve(tile0 + tiles + 1);
    using scope = this.#device.scope();
    const [rows] = this.#window.sections();
    const where = { meta: this.#meta.tensor, metaHead: this.#meta.stride, tile0 };
    for (const kind of ["k", "v"] as const) {
      packBitmap(scope, slice(scope, rows![kind], 1, 0, n), {
        ...where,
        packed: this.#packed[kind].tensor,
        packedHead: this.#packed[kind].stride,
        metaAt: kind === "k" ? 0 : this.#shape.heads * this.#meta.stride,
        drop: this.#rules[kind],
        kind,
      });
    }
    this.#meta.setLength(tile0 + tiles + 1);
    this.#tokens += n;
    this.#noteBound();
    this.#window.dropFirst(n, window + chunk);
    this.#readSizes();
  }

  /** Elements of the fullest head at most. */
  #bound(): Packed {
    const { tokens, k, v } = this.#known;
    const more = (this.#tokens - tokens) * this.#shape.headDim;
    return { tokens: this.#tokens, k: k + more, v: v + more };
  }

  #noteBound(): void {
    const { k, v } = this.#bound();
    this.#packed.k.setLength(k);
    this.#packed.v.setLength(v);
  }

  #readSizes(): void {
    const [tokens, epoch] = [this.#tokens, this.#epoch];
    const last = this.#meta.length - 1;
    this.#ends?.dispose();
    const ends = this.#ends = slice(this.#device, this.#meta.tensor, 1, last, last + 1);
    this.#reading = ends.read("i32").then((words) => {
      if (epoch !== this.#epoch || tokens < this.#known.tokens) return;
      const offsets = words.filter((_, i) => i % ENTRY === ENTRY - 1);
      const fullest = (part: Int32Array): number => 2 * part.reduce((a, b) => Math.max(a, b), 0);
      const { heads } = this.#shape;
      this.#known = { tokens, k: fullest(offsets.subarray(0, heads)), v: fullest(offsets.subarray(heads)) };
      this.#noteBound();
    }).catch(() => {
      // A device that is lost or disposed of: the bound stays.
    }).finally(() => ends.dispose());
  }

  async settle(): Promise<void> {
    this.compact();
    await this.#reading;
    const { k, v } = this.#bound();
    for (const [rows, used] of [[this.#packed.k, k], [this.#packed.v, v]] as const) {
      // A head of nothing but zeros has no elements; rows of tiles begin at multiples of 8.
      const wanted = Math.max(8, used);
      if (rows.capacity > wanted) rows.resize(wanted);
    }
    if (this.#meta.capacity > this.#meta.length) this.#meta.resize(this.#meta.length);
  }

  truncate(length: number): void {
    if (length >= this.#tokens) return this.#window.truncate(length - this.#tokens);
    const { chunk } = this.#rules;
    const whole = Math.floor(length / chunk) * chunk;
    using scope = this.#device.scope();
    // What is cut in the middle of a chunk waits again, pruned as it is.
    const [tiles] = this.sections();
    const [k, v] = (["k", "v"] as const).map((kind) => readRows(scope, tiles!, kind, whole, length - whole));
    this.#known = { ...this.#bound(), tokens: whole };
    this.#epoch++;
    this.#tokens = whole;
    this.#meta.setLength(whole * this.#shape.headDim / 64 + 1);
    this.#window.truncate(0);
    this.#window.append(k!, v!);
  }

  fork(): BitmapStore {
    return new BitmapStore(this.#device, this.#shape, this.#rules, this);
  }

  sections(): readonly CachedRows[] {
    const { heads, headDim } = this.#shape;
    const { k, v } = this.#packed;
    const tiles: CachedRows = {
      form: "bitmap",
      k: k.tensor,
      v: v.tensor,
      meta: this.#meta.tensor,
      kvHeads: heads,
      headDim,
      kHead: k.stride,
      vHead: v.stride,
      metaHead: this.#meta.stride,
      vMetaAt: heads * this.#meta.stride,
      first: 0,
      rows: this.#tokens,
    };
    return this.#tokens > 0 ? [tiles, ...this.#window.sections(this.#tokens)] : this.#window.sections();
  }

  state(device: Device): StoreState {
    const window = this.#window.state(device).tensors;
    return {
      numbers: { tokens: [this.#tokens], known: [this.#bound().k, this.#bound().v] },
      tensors: {
        packedK: this.#packed.k.used(device),
        packedV: this.#packed.v.used(device),
        meta: this.#meta.used(device),
        windowK: window["k"]!,
        windowV: window["v"]!,
      },
    };
  }

  restore({ numbers, tensors }: StoreState): void {
    const [tokens] = numbers["tokens"] as [number];
    const [k, v] = numbers["known"] as [number, number];
    this.#tokens = tokens;
    this.#known = { tokens, k, v };
    this.#packed.k.append(tensors["packedK"]!);
    this.#packed.v.append(tensors["packedV"]!);
    this.#meta.setLength(0);
    this.#meta.append(tensors["meta"]!);
    const tiles = tokens * this.#shape.headDim / 64;
    const { length } = this.#meta;
    if (
      tokens % this.#rules.chunk !== 0 || length !== tiles + 1 || this.#packed.k.length < k ||
      this.#packed.v.length < v
    ) {
      throw new RangeError("its tiles do not fit its tokens");
    }
    this.#window.restore({ numbers: {}, tensors: { k: tensors["windowK"]!, v: tensors["windowV"]! } });
  }

  dispose(): void {
    this.#epoch++;
    this.#ends?.dispose();
    this.#packed.k.dispose();
    this.#packed.v.dispose();
    this.#meta.dispose();
    this.#window.dispose();
  }
}
