/**
 * How far patterns of MMInference are from dense attention.
 *
 * @module
 */
import { attention } from "../attention/attention.ts";
import type { Device } from "../device/device.ts";
import { binary } from "../device/ops/binary.ts";
import { full } from "../device/ops/fill.ts";
import { reduce } from "../device/ops/reduce.ts";
import { unary } from "../device/ops/unary.ts";
import { scoped } from "../device/scoped.ts";
import type { Tensor } from "../device/tensor.ts";
import type { MmHead, MmInter } from "./mminference_patterns.ts";
import { DEFAULTS, type MMInferenceOptions, mminferencePlanner } from "./mminference_planner.ts";

/** Queries, keys and values of one prompt in one layer. */
export interface MMInferenceSample {
  /** [Hq, L, D]. */
  readonly q: Tensor;
  /** [Hkv, L, D]. */
  readonly k: Tensor;
  /** [Hkv, L, D]. */
  readonly v: Tensor;
}

/** Options of a comparison with dense attention. */
export interface MMInferenceTrial extends Partial<Omit<MMInferenceOptions, "heads">> {
  /** Ends the search between two plans. */
  readonly signal?: AbortSignal;
}

/** What a comparison found. */
export interface Trial {
  /** [Hq * L]: mean absolute difference of every output row. */
  readonly errors: Float32Array;
  /** [Hq * L]: how many keys each query sees. */
  readonly counts: Float32Array;
}

/** In the order of their numbers. */
export const INTERS: readonly MmInter[] = ["none", "q", "2d"];

/**
 * Compares planned attention with dense attention.
 *
 * @param dense What dense attention gives.
 */
export async function tryHeads(
  device: Device,
  { q, k, v }: MMInferenceSample,
  dense: Tensor,
  heads: readonly MmHead[],
  { modality = DEFAULTS.modality, lastQ = DEFAULTS.lastQ, blockSize = DEFAULTS.blockSize, signal }:
    MMInferenceTrial,
): Promise<Trial> {
  await device.flush(signal);
  using scope = device.scope();
  using plan = mminferencePlanner({ modality, heads, lastQ, blockSize }).plan(scope, q, k);
  const { errors, lse } = scoped(scope, (s) => {
    const difference = binary(s, "sub", attention(s, q, k, v, { plan }).out, dense);
    // With scores of 0 the sum of exponentials counts the keys.
    const [flat, keys] = [q, k].map((x) => full(s, [...x.shape.slice(0, 2), 1], 0)) as [Tensor, Tensor];
    return {
      errors: reduce(s, "mean", binary(s, "max", difference, unary(s, "neg", difference))),
      lse: attention(s, flat, keys, keys, { plan, lse: true }).lse,
    };
  });
  const [found, sums] = [await errors.read(), await lse.read()];
  return { errors: found, counts: sums.map((sum) => Math.round(Math.exp(sum))) };
}

/** What dense attention gives. */
export function denseOut(device: Device, { q, k, v }: MMInferenceSample): Tensor {
  return attention(device, q, k, v, { causal: true }).out;
}

/**
 * Compares inter-modality types by the mean absolute difference from dense attention.
 *
 * @param heads What each head does, by type; a type that is missing counts as infinitely wrong.
 * @returns By head the errors of "none", "q" and "2d" and the number of the smallest, the first among equals.
 */
export async function compareInter(
  device: Device,
  sample: MMInferenceSample,
  heads: Readonly<Partial<Record<MmInter, readonly MmHead[]>>>,
  trial: MMInferenceTrial,
): Promise<{ readonly errors: readonly (readonly number[])[]; readonly best: readonly number[] }> {
  const [count, length] = sample.q.shape as [number, number];
  using scope = device.scope();
  const dense = denseOut(scope, sample);
  const errors = Array.from({ length: count }, () => INTERS.map(() => Infinity));
  for (const [i, inter] of INTERS.entries()) {
    const own = heads[inter];
    if (!own) continue;
    const rows = (await tryHeads(scope, sample, dense, own, trial)).errors;
    errors.forEach((all, h) => {
      all[i] = rows.subarray(h * length, (h + 1) * length).reduce((sum, error) => sum + error / length, 0);
    });
  }
  return { errors, best: errors.map((all) => all.indexOf(Math.min(...all))) };
}
