/**
 * What LServe reads when it decodes: pages that may matter, found anew every few steps, and for streaming heads a sink and a window.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { concat } from "../device/ops/concat.ts";
import { gather } from "../device/ops/gather.ts";
import { topk } from "../device/ops/topk.ts";
import type { Tensor } from "../device/tensor.ts";
import { touchesBand } from "./block_lists.ts";
import { lend } from "./fixed_selection.ts";
import { PageExtremes, type PageSizes } from "./lserve_pages.ts";
import { table } from "./scores.ts";
import type { CacheShape, Choice, Selection } from "./selector.ts";

/** The window of heads that have none; more tokens than a cache can have. */
const ALL = 2 ** 30;

/** Options of decoding. */
export interface LserveDecodeOptions extends PageSizes {
  /** Tokens that retrieval heads read; up to so many they read all. */
  readonly tokenBudget: number;
  /** Pages are chosen anew when the number of tokens is a multiple of this. */
  readonly interval: number;
  /** What streaming heads read. */
  readonly decode: { readonly sink: number; readonly local: number };
}

/** A selection that tells whether it scored pages. */
export interface LserveSelection extends Selection {
  /** Whether the last choice scored pages, rather than use an earlier choice again. */
  readonly refreshed: boolean;
}

/**
 * Begins to follow a cache.
 *
 * @param flags 1 for retrieval heads, 0 for streaming heads, by key head.
 */
export function lserveSelection(
  device: Device,
  shape: CacheShape,
  flags: readonly number[],
  options: LserveDecodeOptions,
): LserveSelection {
  const pages = flags.includes(1) ? new PageExtremes(device, shape.heads, shape.headDim, options) : undefined;
  return new PageSelection(device, shape, flags, options, pages);
}

/** Pages that were chosen: of those before the last one there were at that time, and the number of that. */
interface Chosen {
  readonly tokens: number;
  readonly last: number;
  /** i32 [Hq, n]. */
  readonly pages: Tensor;
}

class PageSelection implements LserveSelection {
  readonly #device: Device;
  readonly #shape: CacheShape;
  readonly #flags: readonly number[];
  readonly #options: LserveDecodeOptions;
  readonly #extremes: PageExtremes | undefined;
  #chosen: Chosen | undefined;
  /** The lists of `chosen` for tokens in page `current`. */
  #lists: { readonly current: number; readonly list: Tensor } | undefined;
  #band: Tensor | undefined;
  #refreshed = false;

  constructor(
    device: Device,
    shape: CacheShape,
    flags: readonly number[],
    options: LserveDecodeOptions,
    extremes: PageExtremes | undefined,
  ) {
    this.#device = device;
    this.#shape = shape;
    this.#flags = flags;
    this.#options = options;
    this.#extremes = extremes;
  }

  get bytes(): number {
    const own = [this.#extremes, this.#chosen?.pages, this.#lists?.list, this.#band];
    return own.reduce((sum, one) => sum + (one?.bytes ?? 0), 0);
  }

  get refreshed(): boolean {
    return this.#refreshed;
  }

  append(k: Tensor): void {
    this.#extremes?.append(k);
  }

  truncate(length: number): void {
    this.#extremes?.truncate(length);
    this.#forget();
  }

  fork(): LserveSelection {
    const extremes = this.#extremes?.fork();
    const copy = new PageSelection(this.#device, this.#shape, this.#flags, this.#options, extremes);
    if (this.#chosen) {
      const { pages } = this.#chosen;
      copy.#chosen = { ...this.#chosen, pages: this.#device.view(pages, pages.shape) };
    }
    return copy;
  }

  choose(device: Device, q: Tensor, length: number): Choice | undefined {
    const { page, tokenBudget, interval, decode: { sink, local } } = this.#options;
    const tokens = length - 1;
    const streams = this.#flags.includes(0) && length > sink + local;
    const band = streams ? { band: this.#band ??= this.#makeBand() } : {};
    this.#refreshed = false;
    if (!this.#extremes || tokens <= tokenBudget) return streams ? lend(device, band) : undefined;
    // Tokens may have been chosen for a later query of the same cache.
    if (tokens % interval === 0 || !(this.#chosen && this.#chosen.tokens <= tokens)) this.#score(q, tokens);
    return lend(device, { list: this.#listsFor(Math.floor(tokens / page)), step: page, ...band });
  }

  dispose(): void {
    this.#extremes?.dispose();
    this.#band?.dispose();
    this.#band = undefined;
    this.#forget();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #forget(): void {
    this.#chosen?.pages.dispose();
    this.#lists?.list.dispose();
    this.#chosen = this.#lists = undefined;
  }

  /** Chooses pages of a cache of `tokens` before the current one. */
  #score(q: Tensor, tokens: number): void {
    const { page, tokenBudget } = this.#options;
    this.#forget();
    using d = this.#device.scope();
    const last = Math.ceil(tokens / page) - 1;
    const count = Math.min(Math.max(3, Math.floor(tokenBudget / page)) - 1, last);
    const { indices } = topk(d, this.#extremes!.scores(d, q, last), count);
    this.#chosen = { tokens, last, pages: d.keep(indices) };
    this.#refreshed = true;
  }

  /** The lists i32 [Hq, cap] while the current token is in a page. */
  #listsFor(current: number): Tensor {
    if (this.#lists?.current === current) return this.#lists.list;
    this.#lists?.list.dispose();
    using d = this.#device.scope();
    const { page, decode: { sink, local } } = this.#options;
    const { queryHeads, heads } = this.#shape;
    const { pages, last } = this.#chosen!;
    const touched = Array.from({ length: current + 1 }, (_, j) => j).filter((j) =>
      touchesBand({ sink, window: local }, page, j, current * page)
    );
    // Lists end in the last page of when they were chosen and all that were begun since.
    const streams = this.#flags.includes(0);
    const chosen = pages.shape[1]!;
    const room = Math.max(chosen + current - last + 1, streams ? touched.length : 0);
    const newest = table(d, [queryHeads, room - chosen], (i) => {
      const j = last + i % (room - chosen);
      return j <= current ? j : -1;
    });
    const retrieval = concat(d, [pages, newest], 1);
    const list = streams
      ? gather(
        d,
        concat(d, [retrieval, table(d, [1, room], (i) => touched[i] ?? -1)], 0),
        table(d, [queryHeads], (h) => this.#flags[Math.floor(h * heads / queryHeads)] === 1 ? h : queryHeads),
      )
      : retrieval;
    this.#lists = { current, list: d.keep(list) };
    return list;
  }

  /** i32 [Hkv, 2]: what streaming heads read; all for the others. */
  #makeBand(): Tensor {
    const { sink, local } = this.#options.decode;
    return table(this.#device, [this.#flags.length, 2], (i) => {
      return i % 2 === 0 ? sink : this.#flags[i >> 1] === 1 ? ALL : local;
    });
  }
}
