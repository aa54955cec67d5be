/**
 * The extremes of the keys of every page, by which LServe tells what a page may be worth to a query.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { GrowingRows } from "../device/growing_rows.ts";
import { scoreRows } from "../device/ops/cached_rows.ts";
import { concat } from "../device/ops/concat.ts";
import { gather } from "../device/ops/gather.ts";
import { groupMax, groupMin } from "../device/ops/group_mean.ts";
import { putRows } from "../device/ops/put_rows.ts";
import { reshape } from "../device/ops/reshape.ts";
import { slice } from "../device/ops/slice.ts";
import { unary } from "../device/ops/unary.ts";
import type { Tensor } from "../device/tensor.ts";
import { table } from "./scores.ts";

/** How tokens are cut. */
export interface PageSizes {
  /** Tokens of a page. */
  readonly page: number;
  /** Logical pages of a page; each has extremes of its own. */
  readonly logicalPerPage: number;
}

/**
 * Extremes of neighbouring keys: of every column the largest and the negated smallest number, so that a maximum joins two of them.
 *
 * @param k [Hkv, n, D].
 * @param size Keys of a logical page; the last one may have fewer.
 * @returns [Hkv, ceil(n / size), 2 D].
 */
export function keyExtremes(d: Device, k: Tensor, size: number): Tensor {
  return concat(d, [groupMax(d, k, size), unary(d, "neg", groupMin(d, k, size))], 2);
}

/**
 * The largest score that a key within the extremes of a page could have, without scaling.
 *
 * @param q [Hq, D].
 * @param extremes [Hkv, capacity, 2 D].
 * @param count Logical pages to read; pages that they fill in part are scored by those that they have.
 * @returns [Hq, ceil(count / logicalPerPage)].
 */
export function pageScores(
  d: Device,
  q: Tensor,
  extremes: Tensor,
  count: number,
  logicalPerPage: number,
): Tensor {
  const [kvHeads, capacity, headDim] = extremes.shape as [number, number, number];
  const heads = q.shape[0]!;
  // The sum of max(q * largest, q * smallest) is a product: the positive part of q meets the largest, that of -q the negated smallest.
  const both = unary(d, "relu", concat(d, [q, unary(d, "neg", q)], 1));
  const rows = {
    form: "f32",
    k: extremes,
    kvHeads,
    headDim,
    rows: count,
    kHead: capacity * headDim,
  } as const;
  const best = groupMax(d, reshape(d, scoreRows(d, both, rows), [heads, count, 1]), logicalPerPage);
  return reshape(d, best, [heads, Math.ceil(count / logicalPerPage)]);
}

/**
 * The extremes of all full pages of a cache.
 *
 * The keys of the two newest pages are kept too: extremes of a page are taken when it is full, and a cut of up to a page of tokens forgets exactly what it
 * cuts. After a farther one the logical page that it goes through keeps the extremes that it had: they hold for the keys that are left, but may be too wide.
 */
export class PageExtremes implements Disposable {
  readonly #device: Device;
  readonly #sizes: PageSizes;
  #length = 0;
  /** [Hkv, capacity, 2 D]; those of full pages count. */
  readonly #extremes: GrowingRows;
  /** [Hkv, 2 * page, 2 D]: keys and their negatives, pages with even and odd numbers. */
  #recent: Tensor;
  /** The first token from which on all are in `recent`. */
  #recentFrom = 0;

  /** @param from Is copied, if given. */
  constructor(device: Device, heads: number, headDim: number, sizes: PageSizes, from?: PageExtremes) {
    this.#device = device;
    this.#sizes = sizes;
    if (from) {
      this.#length = from.#length;
      this.#recentFrom = from.#recentFrom;
      this.#extremes = from.#extremes.fork();
      this.#recent = slice(device, from.#recent, 1, 0);
      return;
    }
    this.#extremes = new GrowingRows(device, heads, 2 * headDim, "f32");
    this.#recent = device.empty([heads, 2 * sizes.page, 2 * headDim]);
  }

  /** Bytes of all that is kept. */
  get bytes(): number {
    return this.#extremes.tensor.bytes + this.#recent.bytes;
  }

  /** Takes the keys [Hkv, n, D] of new tokens. */
  append(k: Tensor): void {
    using d = this.#device.scope();
    const { page, logicalPerPage } = this.#sizes;
    const size = page / logicalPerPage;
    const n = k.shape[1]!;
    // A page that was begun is filled up first.
    const open = Math.min(n, (page - this.#length % page) % page);
    if (open > 0) {
      this.#remember(d, slice(d, k, 1, 0, open));
      if (this.#length % page === 0) {
        const first = this.#length - page;
        const full = slice(d, this.#recent, 1, first % (2 * page), first % (2 * page) + page);
        this.#put(first / size, groupMax(d, full, size));
      }
    }
    if (open === n) return;
    const rest = open === 0 ? k : slice(d, k, 1, open);
    const full = Math.floor((n - open) / page);
    if (full > 0) {
      const extremes = keyExtremes(d, rest, size);
      this.#put(this.#length / size, slice(d, extremes, 1, 0, full * logicalPerPage));
    }
    this.#remember(d, rest);
  }

  /** Forgets the tokens from `length` on. */
  truncate(length: number): void {
    if (length >= this.#length) return;
    const { page, logicalPerPage } = this.#sizes;
    const begin = length - length % page;
    if (begin < this.#recentFrom) {
      using d = this.#device.scope();
      const [heads, capacity, width] = this.#extremes.tensor.shape as [number, number, number];
      // The keys are gone: the extremes of their logical pages stand in for them.
      const tokens = length - begin;
      const index = table(d, [heads, tokens], (i) => {
        const logical = Math.floor((begin + i % tokens) / (page / logicalPerPage));
        return Math.floor(i / tokens) * capacity + logical;
      });
      const rows = gather(d, reshape(d, this.#extremes.tensor, [heads * capacity, width]), index);
      putRows(d, this.#recent, begin % (2 * page), rows);
      this.#recentFrom = begin;
    }
    this.#length = length;
  }

  /** A copy that goes on by itself. */
  fork(): PageExtremes {
    return new PageExtremes(this.#device, 0, 0, this.#sizes, this);
  }

  /** The scores [Hq, pages] of the first pages, which must be full, for queries [Hq, D]. */
  scores(d: Device, q: Tensor, pages: number): Tensor {
    const { logicalPerPage } = this.#sizes;
    return pageScores(d, q, this.#extremes.tensor, pages * logicalPerPage, logicalPerPage);
  }

  /** Gives its memory back. */
  dispose(): void {
    this.#extremes.dispose();
    this.#recent.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Counts new tokens, and keeps the keys of those in the two newest pages. */
  #remember(d: Device, k: Tensor): void {
    const { page } = this.#sizes;
    const first = this.#length;
    this.#length += k.shape[1]!;
    const oldest = (Math.ceil(this.#length / page) - 2) * page;
    this.#recentFrom = Math.max(this.#recentFrom, oldest);
    for (let at = Math.max(first, oldest); at < this.#length;) {
      const end = Math.min(this.#length, at - at % page + page);
      const keys = slice(d, k, 1, at - first, end - first);
      putRows(d, this.#recent, at % (2 * page), concat(d, [keys, unary(d, "neg", keys)], 2));
      at = end;
    }
  }

  /** Writes extremes from a logical page on. */
  #put(at: number, rows: Tensor): void {
    this.#extremes.setLength(at);
    this.#extremes.append(rows);
  }
}
