/**
 * From queries and keys of a model to its profile.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { binary } from "../device/ops/binary.ts";
import { groupSum } from "../device/ops/group_mean.ts";
import { repeat } from "../device/ops/repeat.ts";
import { reshape } from "../device/ops/reshape.ts";
import { unary } from "../device/ops/unary.ts";
import type { Tensor } from "../device/tensor.ts";
import { checkWhole } from "./_check_whole.ts";
import { type DoubleSparsityProfile, profileKey } from "./double_sparsity_profile.ts";

/** Queries and keys of one layer on one text. The official profiles have 256 texts of up to 512 tokens. */
export interface DoubleSparsitySample {
  /** From 0. @default 0 */
  readonly layer?: number;
  /** [Hq, n, D] after the rotary embedding. */
  readonly q: Tensor;
  /** [Hkv, n, D] after the rotary embedding. */
  readonly k: Tensor;
  /** The same before it, for the rankings by q and by k alone. @default those after it */
  readonly before?: { readonly q: Tensor; readonly k: Tensor };
}

/** Any number of samples, of one layer or of many. */
export type DoubleSparsitySamples =
  | DoubleSparsitySample
  | Iterable<DoubleSparsitySample>
  | AsyncIterable<DoubleSparsitySample>;

/** Means over all tokens of a layer. */
export interface ChannelScores {
  readonly layer: number;
  readonly queryHeads: number;
  readonly heads: number;
  readonly headDim: number;
  /** [queryHeads * headDim]: mean |q|. */
  readonly q: Float64Array;
  /** [heads * headDim]: mean |k|. */
  readonly k: Float64Array;
  /** [queryHeads * headDim]: mean |q k| of a token's query with its own key. */
  readonly qk: Float64Array;
}

/** Rows that are summed in float32. */
const BLOCK = 256;

/**
 * Means of every channel over everything that is given, layer by layer.
 *
 * @throws RangeError if samples do not fit or are empty, or a number is not finite.
 */
export async function channelScores(
  device: Device,
  samples: DoubleSparsitySamples,
): Promise<ChannelScores[]> {
  const layers = new Map<number, ChannelScores & { tokens: number }>();
  for await (const sample of "q" in samples ? [samples] : samples) {
    const { layer = 0, q, k, before = { q, k } } = sample;
    checkWhole("doubleSparsity.calibrate", { layer }, { layer: 0 });
    const [queryHeads = 0, tokens = 0, headDim = 0] = q.shape;
    const heads = k.shape[0] ?? 0;
    const sum = layers.get(layer) ?? {
      ...{ layer, queryHeads, heads, headDim, tokens: 0 },
      q: new Float64Array(queryHeads * headDim),
      k: new Float64Array(heads * headDim),
      qk: new Float64Array(queryHeads * headDim),
    };
    const fits = (x: Tensor, own: number): boolean => `${x.shape}` === `${[own, tokens, sum.headDim]}`;
    const whole = fits(q, sum.queryHeads) && fits(before.q, sum.queryHeads) && fits(k, sum.heads) &&
      fits(before.k, sum.heads) && queryHeads % heads === 0;
    if (!whole || q.size === 0) {
      throw new RangeError(
        `Cannot calibrate doubleSparsity: "q" [${q.shape}] and "k" [${k.shape}] of layer ${layer} do not fit, expected [Hq, n, D] and [Hkv, n, D] with n from 1, Hkv a divisor of Hq, and the same heads in every sample`,
      );
    }
    using scope = device.scope();
    const keys = queryHeads === heads ? k : reshape(
      scope,
      repeat(scope, reshape(scope, k, [heads, 1, tokens * headDim]), 1, queryHeads / heads),
      q.shape,
    );
    await addTo(sum.q, sumOfMagnitudes(scope, before.q));
    await addTo(sum.k, sumOfMagnitudes(scope, before.k));
    await addTo(sum.qk, sumOfMagnitudes(scope, binary(scope, "mul", q, keys)));
    layers.set(layer, { ...sum, tokens: sum.tokens + tokens });
  }
  return [...layers.values()].map((sum) => {
    const mean = (values: Float64Array): Float64Array => values.map((value) => value / sum.tokens);
    return { ...sum, q: mean(sum.q), k: mean(sum.k), qk: mean(sum.qk) };
  });
}

/**
 * Ranks the channels of every head by their means over everything that is given.
 *
 * @param samples Queries and keys of one layer, or many such; the caller frees them.
 * @returns What `doubleSparsity({ profile })` takes; a JSON file of it is in the official format.
 * @throws RangeError if there are no samples, they do not fit, or a number is not finite.
 */
export async function calibrateDoubleSparsity(
  device: Device,
  samples: DoubleSparsitySamples,
): Promise<DoubleSparsityProfile> {
  const layers = await channelScores(device, samples);
  if (layers.length === 0) {
    throw new RangeError(`Cannot calibrate doubleSparsity: there are no samples, expected at least one`);
  }
  const entries = layers.flatMap(({ layer, queryHeads, heads, headDim, q, k, qk }) => {
    const summed = new Float64Array(heads * headDim);
    qk.forEach((score, at) => {
      const head = Math.floor(Math.floor(at / headDim) * heads / queryHeads);
      summed[head * headDim + at % headDim]! += score;
    });
    return (["q", "k", "qk", "qk_group"] as const).map((source) => {
      const scores = { q, k, qk, qk_group: summed }[source];
      return [profileKey(layer, source), rank(scores, headDim)] as const;
    });
  });
  return Object.fromEntries(entries);
}

/** Channels of every head by descending score; the lower first among equals. */
function rank(scores: Float64Array, headDim: number): number[][] {
  return Array.from({ length: scores.length / headDim }, (_, h) => {
    const own = scores.subarray(h * headDim, (h + 1) * headDim);
    return Array.from(own.keys()).sort((a, b) => own[b]! - own[a]!);
  });
}

/** Sums of |x| over the rows of [heads, n, D], in blocks of them: [heads, blocks, D]. */
function sumOfMagnitudes(d: Device, x: Tensor): Tensor {
  return groupSum(d, binary(d, "max", x, unary(d, "neg", x)), BLOCK);
}

async function addTo(sums: Float64Array, blocks: Tensor): Promise<void> {
  const [, count, headDim] = blocks.shape as [number, number, number];
  const values = await blocks.read();
  if (!values.every(Number.isFinite)) {
    throw new RangeError(`Cannot calibrate doubleSparsity: a query or key is not a finite number`);
  }
  values.forEach((value, at) => {
    sums[Math.floor(at / headDim / count) * headDim + at % headDim]! += value;
  });
}
