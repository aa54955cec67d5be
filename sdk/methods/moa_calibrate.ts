/**
 * From gradients of a model to its plan: profile, search, choose.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import type { Tensor } from "../device/tensor.ts";
import { checkWhole } from "./_check_whole.ts";
import { profileInfluence } from "./moa_influence.ts";
import type { MoaPlan } from "./moa_plan.ts";
import type { MoaImportance } from "./moa_rules.ts";
import {
  MOA_SEARCH,
  type MoaCandidate,
  type MoaFront,
  type MoaSearchOptions,
  searchPlan,
} from "./moa_search.ts";

/**
 * One layer of a model on one text: the loss is that of an answer which the dense model wrote and which needs the whole text.
 *
 * The official profile has texts of three lengths.
 */
export interface MoaSample {
  /** From 0. */
  readonly layer: number;
  /** [Hq, N, D]. */
  readonly q: Tensor;
  /** [Hkv, N, D]. */
  readonly k: Tensor;
  /** [Hkv, N, D]. */
  readonly v: Tensor;
  /** [Hq, N, D]: gradient of the loss by the attention output. */
  readonly gradOut: Tensor;
}

/** Options of `moa.calibrate`. */
export interface MoaCalibrateOptions extends MoaSearchOptions {
  /** Lengths that samples are counted to: each to the shortest that holds it. @default [2048, 4096, 8192] */
  readonly profileLengths: readonly number[];
  /** Factor of the scores. @default 1 / sqrt(D) */
  readonly scale?: number | undefined;
  /**
   * Loss of the model with a plan, on texts and at a length that no sample has; the least wins.
   * @default the importance that a plan hides at the longest profiled length
   */
  readonly validate?: ((plan: MoaPlan, signal?: AbortSignal) => number | Promise<number>) | undefined;
}

/** Sum over the samples of one length and layer. */
interface Sum {
  readonly heads: number;
  readonly group: number;
  readonly data: Float32Array;
  count: number;
}

/**
 * Finds the plan of a model.
 *
 * Query heads that share keys get the same rule, chosen by the largest influence among them.
 *
 * @param device Computes the influences.
 * @param samples Of every layer at every length as many as one likes; the caller frees them.
 * @returns Spans of every query head, for `moa({ plan })` and for a JSON file.
 * @throws RangeError if samples do not fit or nothing keeps to the density; the reason of the signal if it is aborted.
 */
export async function calibrateMoa(
  device: Device,
  samples: Iterable<MoaSample> | AsyncIterable<MoaSample>,
  options: Partial<MoaCalibrateOptions> = {},
): Promise<MoaPlan> {
  const { profileLengths = [2048, 4096, 8192], blockSize = MOA_SEARCH.blockSize, scale, signal, validate } =
    options;
  const sums = new Map(profileLengths.toSorted((a, b) => a - b).map((length) => [length, [] as Sum[]]));
  for await (const sample of samples) {
    const { layer, q, k, v, gradOut } = sample;
    const tokens = q.shape[1] ?? 0;
    const [length, layers] = [...sums].find(([length]) => tokens <= length) ?? [];
    if (length === undefined || layers === undefined) {
      throw new RangeError(
        `Cannot calibrate moa: a sample has ${tokens} tokens, expected at most ${profileLengths.join(", ")}`,
      );
    }
    checkWhole("moa.calibrate", sample, { layer: 0 });
    using scope = device.scope();
    const influence = await profileInfluence(scope, q, k, v, gradOut, {
      blockSize,
      signal,
      ...(scale !== undefined && { scale }),
    });
    const heads = k.shape[0]!;
    const sum = layers[layer] ??= {
      heads,
      group: q.shape[0]! / heads,
      data: new Float32Array(heads * Math.ceil(length / blockSize) ** 2),
      count: 0,
    };
    addTo(sum, await influence.read(), influence.shape[1]!);
  }
  const importance = [...sums].map(([length, layers]) => importanceOf(length, layers));
  const front = await searchPlan(importance, options);
  const group = [...sums.values()][0]![0]!.group;
  const plans = front.candidates.map(({ plan }) => shared(plan, group));
  if (!validate) return plans[leastAtLongest(front)]!;
  const losses: number[] = [];
  for (const plan of plans) {
    losses.push(await validate(plan, signal));
    signal?.throwIfAborted();
  }
  return plans[losses.reduce((best, loss, i) => loss < losses[best]! ? i : best, 0)]!;
}

/** The candidate that hides the least at the longest profiled length. */
export function leastAtLongest({ candidates }: MoaFront): number {
  const last = ({ loss }: MoaCandidate): number => loss.at(-1)!;
  return candidates.reduce((best, one, i) => last(one) < last(candidates[best]!) ? i : best, 0);
}

/** Adds the maps of a sample, which may be shorter than the length that it counts to. */
function addTo(sum: Sum, influence: Float32Array, blocks: number): void {
  const width = Math.sqrt(sum.data.length / sum.heads);
  if (influence.length !== sum.heads * blocks * blocks) {
    throw new RangeError(
      `Cannot calibrate moa: a sample has ${
        influence.length / (blocks * blocks)
      } key heads, those before of its layer have ${sum.heads}`,
    );
  }
  for (let row = 0; row < sum.heads * blocks; row++) {
    const to = (Math.floor(row / blocks) * width + row % blocks) * width;
    for (let j = 0; j < blocks; j++) sum.data[to + j]! += influence[row * blocks + j]!;
  }
  sum.count++;
}

/** The mean over samples, all layers side by side. */
function importanceOf(length: number, layers: readonly (Sum | undefined)[]): MoaImportance {
  const { heads = 0, group, data: { length: size } = [] } = layers[0] ?? {};
  const data = new Float32Array(layers.length * size);
  if (size === 0) {
    throw new RangeError(
      `Cannot calibrate moa: no sample of layer 0 has up to ${length} tokens, expected one of every length`,
    );
  }
  for (let layer = 0; layer < layers.length; layer++) {
    const sum = layers[layer];
    if (!sum || sum.heads !== heads || sum.group !== group) {
      throw new RangeError(
        `Cannot calibrate moa: layer ${layer} has ${
          sum ? "other heads than layer 0" : "no sample"
        } at length ${length}, expected samples of every layer of one model`,
      );
    }
    data.set(sum.data.map((one) => one / sum.count), layer * size);
  }
  return { length, layers: layers.length, heads, data };
}

/** The plan of key heads for the query heads that share them. */
function shared({ alphas, betas }: MoaPlan, group: number): MoaPlan {
  const spread = (table: MoaPlan["alphas"]): number[][] =>
    table.map((row) => row.flatMap((one) => new Array<number>(group).fill(one)));
  return { alphas: spread(alphas), betas: spread(betas) };
}
