/**
 * The layer-wise search of Efficient-vDiT.
 *
 * @module
 */
import { attention } from "../attention/attention.ts";
import { planOf } from "../attention/plan.ts";
import type { Device } from "../device/device.ts";
import type { Tensor } from "../device/tensor.ts";
import { checkWhole } from "./_check_whole.ts";
import { isFull, keptFrames, referenceFrames } from "./efficient_vdit_frames.ts";
import { blockSizeFor, draftFrames } from "./efficient_vdit_plan.ts";
import type { EfficientVditProfile } from "./efficient_vdit_profile.ts";
import { headSquares } from "./head_error.ts";
import { checkVideo, expectVideo, type VideoLayout } from "./video_layout.ts";

/** Queries, keys and values of one layer at one diffusion time. */
export interface EfficientVditSample {
  /** From 0. @default 0 */
  readonly layer?: number;
  /** [Hq, L, D], after position encoding. */
  readonly q: Tensor;
  /** [Hkv, L, D], after position encoding. */
  readonly k: Tensor;
  /** [Hkv, L, D]. */
  readonly v: Tensor;
}

/** Options of `efficientVdit.search`. */
export interface EfficientVditSearchOptions extends Omit<VideoLayout, "text"> {
  /** Tokens of text before the first frame. @default 0 */
  readonly text?: number;
  /** Loss below which a mask is taken; in the scale of the mean squared error. The paper has 0.025 to 0.4 for its model. */
  readonly r: number;
  /** Numbers of reference frames to try; those of the same mask count once. @default a half, a third, a quarter, a sixth and an eighth of the frames */
  readonly candidates?: readonly number[];
  /** Whether losses are divided by the mean square of the output, so that `r` fits other models too. @default false */
  readonly normalise?: boolean;
  /** Tokens per block while it searches; the result does not depend on it. @default as `efficientVdit` */
  readonly blockSize?: number;
  /** Ends the search between two samples. */
  readonly signal?: AbortSignal;
}

/**
 * Finds the sparsest mask of every layer whose output stays near that of full attention.
 *
 * @param device Computes.
 * @param samples Of every layer as many as one likes; the caller frees them.
 * @returns A profile for `efficientVdit({ profile, layer })` and for a JSON file.
 * @throws RangeError if samples do not fit the layout, a number is not finite, or an option is out of range; the reason of the signal if it is aborted.
 */
export async function searchEfficientVdit(
  device: Device,
  samples: Iterable<EfficientVditSample> | AsyncIterable<EfficientVditSample>,
  options: EfficientVditSearchOptions,
): Promise<EfficientVditProfile> {
  const { frames, tokensPerFrame, text = 0, r, normalise = false, signal } = options;
  const layout = { frames, tokensPerFrame, text };
  checkVideo("efficientVdit.search", layout);
  const { blockSize = blockSizeFor(layout) } = options;
  checkWhole("efficientVdit.search", { blockSize }, { blockSize: 1 });
  if (!Number.isFinite(r)) fail(`"r" is ${r}, expected a number`);
  const candidates = distinct(
    options.candidates ?? [2, 3, 4, 6, 8].map((n) => Math.round(frames / n)),
    frames,
  );
  const sums: { readonly losses: number[]; count: number }[] = [];
  for await (const { layer = 0, q, k, v } of samples) {
    await device.flush(signal);
    checkWhole("efficientVdit.search", { layer }, { layer: 0 });
    const [heads = 0, lq = 0] = q.shape;
    expectVideo("efficientVdit", layout, { lq, lk: k.shape[1] ?? 0 });
    using scope = device.scope();
    const dense = attention(scope, q, k, v).out;
    const energy = normalise ? mean(await headSquares(scope, dense).read()) : 1;
    const sum = sums[layer] ??= { losses: candidates.map(() => 0), count: 0 };
    for (const [c, references] of candidates.entries()) {
      using d = scope.scope();
      const draft = draftFrames(d, layout, references, blockSize);
      if (draft === "dense") continue;
      const plan = planOf(d, { heads, lq, lk: lq, ...draft, causal: false }, draft.parts);
      const error = mean(await headSquares(d, attention(d, q, k, v, { plan }).out, dense).read());
      if (!Number.isFinite(error)) fail("a query, key or value is not a finite number");
      sum.losses[c]! += energy > 0 ? error / energy : error;
    }
    sum.count++;
  }
  const losses = Array.from(sums, (sum, layer) => {
    if (!sum) return fail(`layer ${layer} has no sample, expected samples of all ${sums.length} layers`);
    return sum.losses.map((loss) => loss / sum.count);
  });
  if (losses.length === 0) fail("there are no samples, expected at least one of every layer");
  const chosen = losses.map((row) => candidates[row.findIndex((loss) => loss < r)] ?? -1);
  return { version: 1, F: frames, S: tokensPerFrame, text, candidates, r, chosen, losses };
}

/** Candidates by decreasing sparsity, one of each mask, without those that hide nothing. */
function distinct(candidates: readonly number[], frames: number): number[] {
  candidates.forEach((k, i) =>
    checkWhole("efficientVdit.search", { [`candidates[${i}]`]: k }, { [`candidates[${i}]`]: 0 })
  );
  const byMask = new Map<string, number>();
  for (const k of [...candidates].sort((a, b) => a - b)) {
    const mask = `${referenceFrames(frames, k)}`;
    if (!isFull(frames, k) && !byMask.has(mask)) byMask.set(mask, k);
  }
  return [...byMask.values()].sort((a, b) => keptFrames(frames, a) - keptFrames(frames, b));
}

function mean(values: Float32Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function fail(what: string): never {
  throw new RangeError(`Cannot search for efficientVdit: ${what}`);
}
