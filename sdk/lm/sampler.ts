/**
 * Draws tokens from logits, on the device.
 *
 * @module
 */
import {
  add,
  binary,
  cast,
  concat,
  type Device,
  gather,
  mark,
  mul,
  reduce,
  reshape,
  sample,
  scan,
  type Scope,
  scoped,
  slice,
  softmax,
  type Tensor,
  topk,
  unary,
} from "../device/mod.ts";

/** How the next token is chosen: penalty, temperature, `topK`, `topP` and `minP` in this order, each on what the one before left. */
export interface SamplingOptions {
  /** Divides the logits; 0 always takes the likeliest token. @default 0 */
  readonly temperature?: number;
  /** Only so many of the likeliest tokens; 0 for all. @default 0 */
  readonly topK?: number;
  /** Only the likeliest tokens that together reach this probability (Holtzman et al. 2020, https://arxiv.org/abs/1904.09751). @default 1 (all) */
  readonly topP?: number;
  /** Only tokens of at least this share of the likeliest one's probability (https://arxiv.org/abs/2407.01082). @default 0 (all) */
  readonly minP?: number;
  /**
   * Logits of tokens that the prompt or the answer has already are divided by it if above 0, else multiplied
   * (Keskar et al. 2019, https://arxiv.org/abs/1909.05858). @default 1 (none)
   */
  readonly repetitionPenalty?: number;
  /** The same seed gives the same tokens; sequence i of several has `seed + i`. From 0 to 2^32 - 1. @default 0 */
  readonly seed?: number;
}

/** The largest seed, and what seeds wrap around at. */
const SEEDS = 2 ** 32;

/** The largest float32. */
const LARGEST = (2 - 2 ** -23) * 2 ** 127;

/**
 * Draws one token per sequence and step. What it knows of the sequences (which tokens they have, how many were drawn) stays on the device.
 *
 * @example
 * ```ts
 * import { openDevice } from "../device/mod.ts";
 * import { Sampler } from "./sampler.ts";
 *
 * const device = await openDevice();
 * const sampler = new Sampler(device, 4, [Int32Array.of(2)], { temperature: 0.8, topK: 3, repetitionPenalty: 1.2, seed: 7 });
 * const ids = sampler.next(device.tensor(Float32Array.of(1, 2, 3, 4), [1, 4]));
 * console.log(await ids.read("i32")); // one id from 0 to 3
 * device.dispose();
 * ```
 */
export class Sampler {
  readonly #device: Device;
  readonly #vocab: number;
  readonly #options: Required<SamplingOptions>;
  /** Seed of each row. */
  #seeds: number[];
  #draw = 0;
  /** 1 for every token that a row has. */
  #seen: Tensor | undefined;

  /**
   * Starts with the prompts.
   *
   * @param device What computes.
   * @param vocab Number of token ids, at most 2^24.
   * @param prompts The tokens that each sequence has already.
   * @param options How to choose.
   * @throws RangeError if an option is out of range.
   */
  constructor(device: Device, vocab: number, prompts: readonly Int32Array[], options: SamplingOptions = {}) {
    this.#options = checkSampling(options);
    this.#device = device;
    this.#vocab = vocab;
    this.#seeds = prompts.map((_, row) => (this.#options.seed + row) % SEEDS);
    if (this.#options.repetitionPenalty !== 1) this.#seen = scoped(device, (s) => seenIn(s, prompts, vocab));
  }

  /**
   * Draws the next token of every sequence.
   *
   * @param logits f32 [B, vocab]; stays with the caller.
   * @returns i32 [B]; the caller disposes it.
   * @throws RangeError if it has another shape.
   */
  next(logits: Tensor): Tensor {
    const rows = this.#seeds.length;
    if (logits.shape.length !== 2 || logits.shape[0] !== rows || logits.shape[1] !== this.#vocab) {
      throw new RangeError(
        `Cannot draw tokens: the logits have shape [${logits.shape}], expected [${rows}, ${this.#vocab}]`,
      );
    }
    const draw = this.#draw++;
    const seen = this.#seen;
    const drawn = scoped(this.#device, (s): { ids: Tensor; seen: Tensor | undefined } => {
      const x = seen ? penalised(s, logits, seen, this.#options.repetitionPenalty) : logits;
      const ids = this.#options.temperature === 0
        ? reshape(s, topk(s, x, 1).indices, [rows])
        : this.#drawFrom(s, x, draw);
      return { ids, seen: seen && binary(s, "max", seen, mark(s, reshape(s, ids, [rows, 1]), this.#vocab)) };
    });
    seen?.dispose();
    this.#seen = drawn.seen;
    return drawn.ids;
  }

  /**
   * Lets sequences go.
   *
   * @param rows The rows that stay, in their new order.
   */
  keep(rows: readonly number[]): void {
    this.#seeds = rows.map((row) => this.#seeds[row]!);
    const seen = this.#seen;
    if (seen === undefined) return;
    this.#seen = scoped(this.#device, (s) => gather(s, seen, s.tensor(Int32Array.from(rows), [rows.length])));
    seen.dispose();
  }

  /** Gives its memory back. Twice is allowed. */
  dispose(): void {
    this.#seen?.dispose();
    this.#seen = undefined;
  }

  #drawFrom(s: Scope, x: Tensor, draw: number): Tensor {
    const { temperature, topK, topP, minP } = this.#options;
    const k = topK === 0 ? this.#vocab : Math.min(topK, this.#vocab);
    // Falling order is needed to count from the top; without it the columns are the ids.
    const sorted = k < this.#vocab || topP < 1 ? topk(s, x, k) : undefined;
    let left = sorted?.values ?? x;
    if (topP < 1) {
      const before = scan(s, softmax(s, left, { scale: 1 / temperature }), { exclusive: true });
      left = only(s, left, binary(s, "less", before, number(s, topP)));
    }
    if (minP > 0) {
      const least = add(s, reduce(s, "max", left), number(s, temperature * Math.log(minP)));
      left = only(s, left, binary(s, "greaterEqual", left, least, { axis: "rows" }));
    }
    const picks = this.#drawRows(s, left, draw);
    return sorted ? idsAt(s, sorted.indices, picks) : picks;
  }

  /** Row after row, so that what a sequence draws depends on its seed, not on its place among others. */
  #drawRows(s: Scope, x: Tensor, draw: number): Tensor {
    const { temperature } = this.#options;
    if (this.#seeds.length === 1) return sample(s, x, { temperature, seed: this.#seeds[0]!, draw });
    return concat(
      s,
      this.#seeds.map((seed, r) => sample(s, slice(s, x, 0, r, r + 1), { temperature, seed, draw })),
      0,
    );
  }
}

function number(s: Scope, value: number): Tensor {
  return s.tensor(Float32Array.of(value), []);
}

/** Which tokens each row has: f32 [B, vocab] of 0 and 1. */
function seenIn(s: Scope, prompts: readonly Int32Array[], vocab: number): Tensor {
  const longest = Math.max(1, ...prompts.map((ids) => ids.length));
  const index = new Int32Array(prompts.length * longest).fill(-1);
  prompts.forEach((ids, row) => index.set(ids, row * longest));
  return mark(s, s.tensor(index, [prompts.length, longest]), vocab);
}

/** Divides what is above 0 by 1 + seen * (penalty - 1) and multiplies the rest by it. */
function penalised(s: Scope, x: Tensor, seen: Tensor, penalty: number): Tensor {
  const factor = add(s, mul(s, seen, number(s, penalty - 1)), number(s, 1));
  const below = unary(s, "relu", unary(s, "neg", x));
  return binary(s, "sub", binary(s, "div", unary(s, "relu", x), factor), mul(s, below, factor));
}

/** Takes what a mask of 0 and 1 leaves out below all others; not to -Infinity, with which GPUs need not calculate. */
export function only(s: Scope, x: Tensor, mask: Tensor): Tensor {
  return add(s, x, mul(s, binary(s, "sub", mask, number(s, 1)), number(s, LARGEST)));
}

/** Element picks[r] of each row: a sum with one term, exact for ids below 2^24. */
function idsAt(s: Scope, indices: Tensor, picks: Tensor): Tensor {
  const [rows, k] = indices.shape as readonly [number, number];
  const chosen = mark(s, reshape(s, picks, [rows, 1]), k);
  return cast(s, reduce(s, "sum", mul(s, cast(s, indices, "f32"), chosen)), "i32");
}

/**
 * Fills in what was left out.
 *
 * @param options How to choose tokens.
 * @returns The same with every option.
 * @throws RangeError if one is out of range.
 */
export function checkSampling(options: SamplingOptions): Required<SamplingOptions> {
  const { temperature = 0, topK = 0, topP = 1, minP = 0, repetitionPenalty = 1, seed = 0 } = options;
  const expect = (name: string, value: number, holds: boolean, expected: string): void => {
    if (!holds) throw new RangeError(`Cannot draw tokens: "${name}" is ${value}, expected ${expected}`);
  };
  // Below 2^-100 a logit divided by it may be beyond float32.
  const cold = temperature === 0 || (temperature >= 2 ** -100 && temperature <= 2 ** 100);
  expect("temperature", temperature, cold, "0 or a number from 2^-100 to 2^100");
  expect("topK", topK, Number.isInteger(topK) && topK >= 0, "a whole number from 0");
  expect("topP", topP, topP > 0 && topP <= 1, "a number above 0 and at most 1");
  expect("minP", minP, minP >= 0 && minP <= 1, "a number from 0 to 1");
  expect(
    "repetitionPenalty",
    repetitionPenalty,
    repetitionPenalty > 0 && Number.isFinite(repetitionPenalty),
    "a number above 0",
  );
  expect(
    "seed",
    seed,
    Number.isInteger(seed) && seed >= 0 && seed < SEEDS,
    "a whole number from 0 to 2^32 - 1",
  );
  return { temperature, topK, topP, minP, repetitionPenalty, seed };
}
