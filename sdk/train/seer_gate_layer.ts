/**
 * The gate of SeerAttention as a layer: its inputs are frozen, gradients go to its weights only.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { matmul } from "../device/ops/matmul.ts";
import { reshape } from "../device/ops/reshape.ts";
import { transpose } from "../device/ops/transpose.ts";
import { scoped } from "../device/scoped.ts";
import type { Tensor } from "../device/tensor.ts";
import {
  gateForward,
  type GateResult,
  type GateTensors,
  type PooledInputs,
  rotateBlocks,
} from "../methods/seer_attention_forward.ts";
import type { SeerGateConfig } from "../methods/seer_attention_gate.ts";

/** What the backward pass needs of the forward pass. */
export interface SeerGateContext extends GateResult {
  /** The weights that were used. */
  readonly weights: GateTensors;
  /** The pooled queries. */
  readonly queries: Tensor;
}

/** Forward and backward pass of a gate over whole sequences. */
export const seerGateLayer: {
  /** Scores every pair of blocks: `logits` [heads, n, n], later blocks included. */
  forward(d: Device, config: SeerGateConfig, weights: GateTensors, pooled: PooledInputs): SeerGateContext;
  /** Gradients of the weights, in their shapes, from the gradient of `logits` [heads, n, n]. */
  backward(d: Device, config: SeerGateConfig, context: SeerGateContext, dLogits: Tensor): GateTensors;
} = {
  forward(d, config, weights, pooled) {
    return { ...gateForward(d, config, weights, pooled), weights, queries: pooled.q };
  },

  backward(d, config, { weights, keys, queries, qGate, kGate }, dLogits) {
    const alpha = 1 / Math.sqrt(config.hidden);
    return scoped(d, (s): { wk: Tensor; wq?: Tensor } => {
      // The query heads of a key head in one matrix, so that the product sums over them.
      const byKeyHead = (x: Tensor): Tensor => reshape(s, x, [kGate.shape[0]!, -1, x.shape[2]!]);
      const dScores = byKeyHead(dLogits);
      const dKey = matmul(s, turned(s, dScores), turned(s, byKeyHead(qGate)), { alpha });
      const wk = weightGradient(s, keys, rotateBlocks(s, config, dKey, 0, -1));
      if (!weights.wq) return { wk };
      const dQuery = reshape(s, matmul(s, dScores, turned(s, kGate), { alpha }), qGate.shape);
      return { wk, wq: weightGradient(s, queries, rotateBlocks(s, config, dQuery, 0, -1)) };
    });
  },
};

/** x^T dy of every head: the gradient of w in y = x w. */
function weightGradient(d: Device, x: Tensor, dy: Tensor): Tensor {
  return matmul(d, turned(d, x), turned(d, dy));
}

function turned(d: Device, x: Tensor): Tensor {
  return transpose(d, x, [0, 2, 1]);
}
