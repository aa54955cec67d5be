/**
 * LServe's decoding beside the rules as they are written.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { assertEquals } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { KeyStream, tokensRead, tokensWhere } from "./_test_choices.ts";
import { lserve } from "./lserve.ts";
import type { LserveDecodeOptions, LserveSelection } from "./lserve_selection.ts";

/** Sizes for short caches. */
const SMALL: LserveDecodeOptions = {
  page: 8,
  logicalPerPage: 2,
  tokenBudget: 32,
  interval: 4,
  decode: { sink: 5, local: 11 },
};

/** A cache of few tokens: pages of 8 in 2 parts, a budget of 32, an interval of 4, a sink of 5 and a window of 11, where it says nothing else. */
export interface LserveCase extends Partial<LserveDecodeOptions> {
  /** By key head: 1 for retrieval heads. */
  readonly flags: readonly number[];
  readonly prompt: number;
  /** Query heads per key head. @default 2 */
  readonly group?: number;
}

const HEAD_DIM = 4;

/** A cache that is decoded by a selection and, plainly, by the rules as they are written. */
export class LservePair {
  readonly #device: Device;
  readonly #options: LserveDecodeOptions;
  readonly #flags: readonly number[];
  readonly #group: number;
  readonly #queries = random(9);
  #keys: KeyStream;
  #chosen: { readonly pages: number; readonly lists: number[][] } | undefined;
  /** What is tested. */
  selection: LserveSelection;

  constructor(device: Device, { flags, prompt, group = 2, ...options }: LserveCase) {
    this.#device = device;
    this.#options = { ...SMALL, ...options };
    this.#flags = flags;
    this.#group = group;
    this.#keys = new KeyStream([flags.length, 300, HEAD_DIM], 1);
    this.selection = lserve({ headFlags: [flags], ...this.#options })
      .start(device, { ...this.heads, headDim: HEAD_DIM, layer: 0 });
    this.append(0, prompt);
  }

  /** Heads of the cache. */
  get heads(): { readonly queryHeads: number; readonly heads: number } {
    return { queryHeads: this.#flags.length * this.#group, heads: this.#flags.length };
  }

  /** Appends keys alone. */
  append(from: number, to: number): void {
    this.#keys.feed(this.#device, this.selection, from, to);
  }

  /** Forgets tokens. */
  truncate(length: number): void {
    this.selection.truncate(length);
    this.#chosen = undefined;
  }

  /** Goes on with other keys from token `t` on. */
  fork(t: number): LservePair {
    const copy = new LservePair(this.#device, { flags: this.#flags, prompt: 0, group: this.#group });
    copy.selection.dispose();
    copy.selection = this.selection.fork() as LserveSelection;
    copy.#keys = this.#keys.branch(t, 5);
    copy.#chosen = this.#chosen;
    return copy;
  }

  /** What the newest of `length` tokens reads, by query head. */
  async read(length: number): Promise<number[][]> {
    using d = this.#device.scope();
    const q = d.tensor(this.#queries.normals(this.heads.queryHeads * HEAD_DIM), [
      this.heads.queryHeads,
      HEAD_DIM,
    ]);
    return await tokensRead(this.selection.choose(d, q, length), this.heads, length);
  }

  /** Appends and decodes tokens `from` to `to - 1`, and compares. */
  async steps(from: number, to: number): Promise<void> {
    for (let t = from; t < to; t++) {
      this.append(t, t + 1);
      using d = this.#device.scope();
      const { queryHeads } = this.heads;
      const query = this.#queries.normals(queryHeads * HEAD_DIM);
      const choice = this.selection.choose(d, d.tensor(query, [queryHeads, HEAD_DIM]), t + 1);
      const tokens = await tokensRead(choice, this.heads, t + 1);
      assertEquals({ t, refreshed: this.selection.refreshed, tokens }, this.#expected(query, t));
    }
  }

  #expected(q: Float32Array, t: number): { t: number; refreshed: boolean; tokens: number[][] } {
    const { page, tokenBudget, interval, decode: { sink, local } } = this.#options;
    const queryHeads = Array.from({ length: this.heads.queryHeads }, (_, h) => h);
    const pages = Math.ceil(t / page);
    const selects = t > tokenBudget && this.#flags.includes(1);
    const refreshed = selects && (t % interval === 0 || !this.#chosen);
    if (refreshed) {
      const n = Math.min(Math.max(3, Math.floor(tokenBudget / page)), pages);
      const lists = queryHeads.map((h) => {
        const ranked = Array.from({ length: pages - 1 }, (_, p) => ({ p, score: this.#score(q, h, p) }));
        return ranked.sort((a, b) => b.score - a.score).slice(0, n - 1).map(({ p }) => p);
      });
      this.#chosen = { pages, lists };
    }
    const tokens = queryHeads.map((h) =>
      tokensWhere(t + 1, (token) => {
        if (this.#flags[Math.floor(h / this.#group)] === 0) return token < sink || t - token < local;
        const p = Math.floor(token / page);
        return !selects || this.#chosen!.lists[h]!.includes(p) || p >= this.#chosen!.pages - 1;
      })
    );
    return { t, refreshed, tokens };
  }

  #score(q: Float32Array, h: number, p: number): number {
    const { page, logicalPerPage } = this.#options;
    const size = page / logicalPerPage;
    const scores = Array.from({ length: logicalPerPage }, (_, u) => {
      let sum = 0;
      for (let c = 0; c < HEAD_DIM; c++) {
        const column = Array.from(
          { length: size },
          (_, i) => this.#keys.at(Math.floor(h / this.#group), p * page + u * size + i, c),
        );
        const value = q[h * HEAD_DIM + c]!;
        sum += Math.max(value * Math.max(...column), value * Math.min(...column));
      }
      return sum;
    });
    return Math.max(...scores);
  }
}
