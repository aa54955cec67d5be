/**
 * Associative recall from a cache without a model: pairs of a key and a value among filler, one query per pair.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { concat } from "../device/ops/concat.ts";
import { slice } from "../device/ops/slice.ts";
import type { Tensor } from "../device/tensor.ts";
import { type Random, random } from "../testing/random.ts";

/** Sizes and seed of {@linkcode recallSample}. */
export interface RecallOptions {
  /** Heads, each with keys, values and queries of its own. @default 4 */
  readonly heads?: number;
  /** Tokens. @default 4096 */
  readonly length?: number;
  /** Columns of a head. @default 64 */
  readonly headDim?: number;
  /** Pairs of a head. @default 64 */
  readonly pairs?: number;
  /** Scale of filler keys beside those of pairs; 1 is the hard case. @default 0.35 */
  readonly filler?: number;
  /** Whether six fixed columns of all keys are three times as large. @default false */
  readonly outliers?: boolean;
  /** Whether all heads hold the same tokens. @default false */
  readonly alike?: boolean;
  /** The same seed gives the same numbers. @default 1 */
  readonly seed?: number;
}

/** What {@linkcode recallSample} makes; row-major. */
export interface RecallSample {
  readonly heads: number;
  readonly length: number;
  readonly headDim: number;
  readonly pairs: number;
  /** [heads, length, headDim]. */
  readonly k: Float32Array<ArrayBuffer>;
  /** [heads, length, headDim]. */
  readonly v: Float32Array<ArrayBuffer>;
  /** [heads, pairs, headDim]: of every pair the query that asks for it. */
  readonly q: Float32Array<ArrayBuffer>;
  /** [heads, pairs, headDim]. */
  readonly pairKeys: Float32Array<ArrayBuffer>;
  /** [heads, pairs, headDim]. */
  readonly pairValues: Float32Array<ArrayBuffer>;
}

/** Which pairs were found. */
export interface Recall {
  /** [heads, pairs]: 1 where the output was nearer to the pair's value than to that of any other pair. */
  readonly found: Uint8Array<ArrayBuffer>;
  /** Share of found pairs over all heads. */
  readonly share: number;
  /** Share of pairs that at least one head found. */
  readonly best: number;
}

/** Pairs lie behind the first and before the last so many tokens: a window does not reach them. */
const MARGIN = { first: 4, last: 296 };
const OUTLIERS = { columns: 6, factor: 3 };

/**
 * Makes keys, values and queries. Pairs have normal keys and values at random places, filler has keys of another scale and values of 0.3; a query
 * points along its key so that the scaled score of it is 2 sqrt(D).
 *
 * @throws RangeError if the pairs do not fit between the first 4 and the last 296 tokens.
 */
export function recallSample(options: RecallOptions = {}): RecallSample {
  const { heads = 4, length = 4096, headDim = 64, pairs = 64, filler = 0.35, seed = 1 } = options;
  const { outliers = false, alike = false } = options;
  if (length - MARGIN.first - MARGIN.last < pairs) {
    throw new RangeError(
      `Cannot place ${pairs} pairs among ${length} tokens: expected at least ${
        pairs + MARGIN.first + MARGIN.last
      } tokens`,
    );
  }
  const sizes = { length, headDim, pairs, filler };
  // Spread evenly, the same in every head and for every seed.
  const scaled = Array.from(
    { length: outliers ? OUTLIERS.columns : 0 },
    (_, n) => Math.floor((n + 0.5) * headDim / OUTLIERS.columns),
  );
  const all = Array.from(
    { length: heads },
    (_, h) => headOf(random(seed * 1009 + (alike ? 0 : h)), sizes, scaled),
  );
  const joined = (name: keyof (typeof all)[number]): Float32Array<ArrayBuffer> => {
    const out = new Float32Array(all.reduce((sum, head) => sum + head[name].length, 0));
    all.forEach((head, h) => out.set(head[name], h * head[name].length));
    return out;
  };
  return {
    ...{ heads, length, headDim, pairs },
    k: joined("k"),
    v: joined("v"),
    q: joined("q"),
    pairKeys: joined("pairKeys"),
    pairValues: joined("pairValues"),
  };
}

/**
 * Asks for every pair, one decode step each.
 *
 * @param step Attention of a query [heads, 1, headDim] over the keys and values of the sample, on the device that it is given; of the same shape.
 */
export async function kvRecall(
  device: Device,
  sample: RecallSample,
  step: (device: Device, q: Tensor) => Tensor,
): Promise<Recall> {
  using scope = device.scope();
  const { heads, pairs, headDim } = sample;
  const q = scope.tensor(sample.q, [heads, pairs, headDim]);
  const outs: Tensor[] = [];
  for (let p = 0; p < pairs; p++) {
    using inner = scope.scope();
    outs.push(inner.keep(step(inner, slice(inner, q, 1, p, p + 1))));
  }
  return recallOf(await concat(scope, outs, 1).read(), sample);
}

/** Scores outputs [heads, pairs, headDim]. */
export function recallOf(out: Float32Array, sample: RecallSample): Recall {
  const { heads, pairs, headDim, pairValues } = sample;
  const found = new Uint8Array(heads * pairs);
  for (let at = 0; at < found.length; at++) {
    const first = at - at % pairs;
    const distances = Array.from({ length: pairs }, (_, p) => {
      let sum = 0;
      for (let c = 0; c < headDim; c++) {
        sum += (out[at * headDim + c]! - pairValues[(first + p) * headDim + c]!) ** 2;
      }
      return sum;
    });
    const own = distances[at % pairs]!;
    // An output that is not a number is near to nothing.
    found[at] = Number(distances.every((distance, p) => p === at % pairs || own < distance));
  }
  const any = Array.from(
    { length: pairs },
    (_, p) => Number(found.some((one, at) => one === 1 && at % pairs === p)),
  );
  return { found, share: mean(found), best: mean(any) };
}

/** Numbers of one head. */
function headOf(
  r: Random,
  sizes: {
    readonly length: number;
    readonly headDim: number;
    readonly pairs: number;
    readonly filler: number;
  },
  scaled: readonly number[],
) {
  const { length, headDim, pairs, filler } = sizes;
  const pairKeys = r.normals(pairs * headDim);
  const pairValues = r.normals(pairs * headDim);
  const k = r.normals(length * headDim, filler);
  const v = r.normals(length * headDim, 0.3);
  for (const keys of [pairKeys, k]) {
    for (let row = 0; row < keys.length; row += headDim) {
      for (const column of scaled) keys[row + column]! *= OUTLIERS.factor;
    }
  }
  const room = Array.from({ length: length - MARGIN.first - MARGIN.last }, (_, i) => MARGIN.first + i);
  r.shuffle(room).slice(0, pairs).forEach((token, p) => {
    k.set(pairKeys.subarray(p * headDim, (p + 1) * headDim), token * headDim);
    v.set(pairValues.subarray(p * headDim, (p + 1) * headDim), token * headDim);
  });
  const q = pairKeys.map((value, i) => {
    const own = pairKeys.subarray(i - i % headDim, i - i % headDim + headDim);
    return 2 * value * headDim / own.reduce((sum, x) => sum + x * x, 0);
  });
  return { k, v, q, pairKeys, pairValues };
}

function mean(flags: ArrayLike<number>): number {
  return Array.from(flags).reduce((sum, one) => sum + one, 0) / Math.max(1, flags.length);
}
