/**
 * The steps of a Sparsifiner predictor on a device, for planning and for training.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { add } from "../device/ops/binary.ts";
import { matmul } from "../device/ops/matmul.ts";
import { slice } from "../device/ops/slice.ts";
import { softmax } from "../device/ops/softmax.ts";
import { transpose } from "../device/ops/transpose.ts";
import type { Tensor } from "../device/tensor.ts";
import { headScores } from "./scores.ts";
import {
  mapRecord,
  type SparsifinerPredictor,
  type SparsifinerRecord,
  weightShapes,
} from "./sparsifiner_predictor.ts";

/** What a predictor computes on the way to its map. */
export interface SparsifinerPass {
  /** Reduced queries without that of the CLS token [heads, N - 1, channels]. */
  readonly queries: Tensor;
  /** Reduced keys [kvHeads, N, channels]. */
  readonly keys: Tensor;
  /** Mixtures of keys [kvHeads, vectors, channels]. */
  readonly pseudoKeys: Tensor;
  /** How much of every basis vector a query wants [heads, N - 1, vectors]; rows sum to 1. */
  readonly coef: Tensor;
}

/** Copies the weights of a predictor to a device. */
export function uploadPredictor(
  d: Device,
  { sizes, weights }: SparsifinerPredictor,
): SparsifinerRecord<Tensor> {
  const shapes = weightShapes(sizes);
  return mapRecord(weights, (data, key) => d.tensor(data, shapes[key]));
}

/**
 * Computes the coefficients of every query.
 *
 * @param d Receives the results.
 * @param q [heads, N, headDim]; row 0 is the CLS token.
 * @param k [kvHeads, N, headDim].
 */
export function sparsifinerForward(
  d: Device,
  weights: SparsifinerRecord<Tensor>,
  q: Tensor,
  k: Tensor,
): SparsifinerPass {
  const { queryWeight, queryBias, keyWeight, keyBias, project } = weights;
  const queries = add(d, matmul(d, slice(d, q, 1, 1), queryWeight), queryBias);
  const keys = add(d, matmul(d, k, keyWeight), keyBias);
  const pseudoKeys = matmul(d, transpose(d, project), transpose(d, keys, [0, 2, 1]));
  // By the number of heads, where one would expect that of channels: checkpoints were trained so.
  const logits = headScores(d, queries, pseudoKeys, 1 / Math.sqrt(q.shape[0]!));
  return { queries, keys, pseudoKeys, coef: softmax(d, logits) };
}
