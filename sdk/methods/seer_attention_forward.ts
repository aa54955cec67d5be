/**
 * The steps of a SeerAttention gate on a device, for planning and for training.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { concat } from "../device/ops/concat.ts";
import { gather } from "../device/ops/gather.ts";
import { groupMax, groupMean, groupMin } from "../device/ops/group_mean.ts";
import { matmul } from "../device/ops/matmul.ts";
import { rope } from "../device/ops/rope.ts";
import { transpose } from "../device/ops/transpose.ts";
import type { Tensor } from "../device/tensor.ts";
import { headScores, table } from "./scores.ts";
import type { SeerGateConfig, SeerGateWeights, SeerPool } from "./seer_attention_gate.ts";

/** Weights of a gate on a device. */
export interface GateTensors {
  /** [heads, qPool.length * headDim, hidden], or none. */
  readonly wq?: Tensor | undefined;
  /** [kvHeads, kPool.length * headDim, hidden], or [heads, ...] without `wq`. */
  readonly wk: Tensor;
}

/** What a gate reads of queries and keys. */
export interface PooledInputs {
  /** [heads, nQ, qPool.length * headDim]. */
  readonly q: Tensor;
  /** [kvHeads, nK, kPool.length * headDim]. */
  readonly k: Tensor;
}

/** What a gate computes. */
export interface GateResult {
  /** [heads, nQ, nK], later blocks included. */
  readonly logits: Tensor;
  /** Pooled keys as they met the weights, [heads of wk, nK, kPool.length * headDim]. */
  readonly keys: Tensor;
  /** The gate's own queries after rotation [heads, nQ, hidden]. */
  readonly qGate: Tensor;
  /** The gate's own keys after rotation [heads of wk, nK, hidden]. */
  readonly kGate: Tensor;
}

/** Shapes of the weights of a gate; `double` if queries have weights too. */
export function weightShapes(
  { heads, kvHeads, headDim, hidden, qPool, kPool }: SeerGateConfig,
  double: boolean,
): { readonly wq: readonly [number, number, number]; readonly wk: readonly [number, number, number] } {
  return {
    wq: [heads, qPool.length * headDim, hidden],
    wk: [double ? kvHeads : heads, kPool.length * headDim, hidden],
  };
}

/** Copies the weights of a gate to a device. */
export function uploadWeights(
  d: Device,
  { config, wq, wk }: SeerGateWeights & { readonly config: SeerGateConfig },
): GateTensors {
  const shapes = weightShapes(config, wq !== undefined);
  return { wq: wq && d.tensor(wq, shapes.wq), wk: d.tensor(wk, shapes.wk) };
}

/** Pools blocks of queries [heads, Lq, headDim] and keys [kvHeads, Lk, headDim]; a last, shorter block by its real rows. */
export function poolInputs(d: Device, config: SeerGateConfig, q: Tensor, k: Tensor): PooledInputs {
  const { blockSize, qPool, kPool } = config;
  const pools: Readonly<Record<SeerPool, (x: Tensor) => Tensor>> = {
    max: (x) => groupMax(d, x, blockSize),
    min: (x) => groupMin(d, x, blockSize),
    avg: (x) => groupMean(d, x, blockSize, { divisor: "real" }),
  };
  return {
    q: concat(d, qPool.map((pool) => pools[pool](q)), 2),
    k: concat(d, kPool.map((pool) => pools[pool](k)), 2),
  };
}

/**
 * Scores every pair of blocks.
 *
 * @param d Receives the results.
 * @param first Key block of the first query block.
 */
export function gateForward(
  d: Device,
  config: SeerGateConfig,
  { wq, wk }: GateTensors,
  pooled: PooledInputs,
  first = 0,
): GateResult {
  const { heads, kvHeads, hidden } = config;
  const keys = wq ? pooled.k : gather(d, pooled.k, table(d, [heads], (h) => Math.floor(h * kvHeads / heads)));
  const project = (x: Tensor, w: Tensor): Tensor => matmul(d, x, transpose(d, w, [0, 2, 1]));
  // Rotation works in place: without weights it needs a copy of the pooled queries.
  const qGate = rotateBlocks(d, config, wq ? project(pooled.q, wq) : concat(d, [pooled.q], 0), first);
  const kGate = rotateBlocks(d, config, project(keys, wk), 0);
  return { keys, qGate, kGate, logits: headScores(d, qGate, kGate, 1 / Math.sqrt(hidden)) };
}

/**
 * Rotates rows [heads, blocks, hidden] in place by the position where their block begins.
 *
 * @param first Number of the first block.
 * @param turn 1, or -1 to rotate back.
 */
export function rotateBlocks(
  d: Device,
  { hidden, blockSize, ropeTheta, ropeFrequencies }: SeerGateConfig,
  x: Tensor,
  first: number,
  turn: 1 | -1 = 1,
): Tensor {
  const perToken = ropeFrequencies ??
    Array.from({ length: hidden / 2 }, (_, i) => ropeTheta ** (-2 * i / hidden));
  const freqs = d.tensor(Float32Array.from(perToken, (value) => turn * blockSize * value), [hidden / 2]);
  return rope(d, x, freqs, { heads: 1, headDim: hidden, interleaved: false, start: first });
}

/** f32 [rows, cols]: 1 for key blocks up to that of the query block. */
export function causalMask(d: Device, shape: readonly number[], first: number): Tensor {
  const [rows, cols] = shape as [number, number];
  const entry = (i: number): number => i % cols <= first + Math.floor(i / cols) ? 1 : 0;
  return d.tensor(Float32Array.from({ length: rows * cols }, (_, i) => entry(i)), [rows, cols]);
}

/** i32 [rows]: how many key blocks there are up to that of each query block. */
export function causalLens(d: Device, shape: readonly number[], first: number): Tensor {
  const [rows, cols] = shape as [number, number];
  return table(d, [rows], (r) => Math.min(cols, first + r + 1));
}

/** f32 [rows, cols]: 0 for key blocks up to that of the query block, the most negative number for later ones. */
export function causalPenalty(d: Device, shape: readonly number[], first: number): Tensor {
  const [rows, cols] = shape as [number, number];
  const entry = (i: number): number => i % cols <= first + Math.floor(i / cols) ? 0 : LOWEST;
  return d.tensor(Float32Array.from({ length: rows * cols }, (_, i) => entry(i)), [rows, cols]);
}

/** The most negative float32; finite, so that products with 0 stay 0. */
const LOWEST = -(2 ** 128 - 2 ** 104);
