/**
 * Trains the gate of SeerAttention on what the model's own attention does.
 *
 * Recipe of https://arxiv.org/abs/2410.13276: only the gate learns; the target is the block-wise maximum of the attention map.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { add, mul } from "../device/ops/binary.ts";
import { concat } from "../device/ops/concat.ts";
import { full } from "../device/ops/fill.ts";
import { scoped } from "../device/scoped.ts";
import type { Tensor } from "../device/tensor.ts";
import {
  type GateTensors,
  type PooledInputs,
  poolInputs,
  uploadWeights,
} from "../methods/seer_attention_forward.ts";
import { firstKeyBlock, SeerGate, type SeerGateConfig } from "../methods/seer_attention_gate.ts";
import { seerTarget } from "../methods/seer_attention_target.ts";
import { adamW, cosineRate, type Optimizer } from "./optimizers.ts";
import { seerGateLayer } from "./seer_gate_layer.ts";
import { seerLoss } from "./seer_loss.ts";

/** Queries and keys of one layer for one text. */
export interface SeerSample {
  /** Queries before rotary embedding [heads, L, headDim]. */
  readonly qPre: Tensor;
  /** Keys before rotary embedding [kvHeads, L, headDim]. */
  readonly kPre: Tensor;
  /** Queries after it. */
  readonly q: Tensor;
  /** Keys after it. */
  readonly k: Tensor;
}

/** Options of {@linkcode distill}; the defaults are those of the official script. */
export interface DistillOptions {
  /** Steps. @default 500 */
  readonly steps?: number;
  /** Samples per step, taken in turn. @default 16, or all if there are fewer */
  readonly batch?: number;
  /** Highest learning rate of AdamW, after 20 steps of warm-up; it falls along a cosine. @default 1e-3 */
  readonly lr?: number;
  /** Another optimiser; `lr` is not read then. */
  readonly optimizer?: Optimizer;
  /** Factor of the loss. @default 10 */
  readonly lossScale?: number;
  /** Ends the training early. */
  readonly signal?: AbortSignal;
}

/** What {@linkcode distill} returns. */
export interface Distilled {
  /** The trained gate. */
  readonly gate: SeerGate;
  /** Mean divergence of the batch before every step, without `lossScale`. */
  readonly kl: Float32Array;
}

/** What training reads of a sample. */
interface Prepared extends PooledInputs {
  readonly target: Tensor;
}

/**
 * Trains a gate. Inputs are pooled and targets computed once per sample, so that the model is not needed after that.
 *
 * @param gate Where to begin; it stays as it is.
 * @param samples All on one device. A last, shorter block is trained on its real rows.
 * @returns The trained gate and how the divergence fell.
 * @throws RangeError without samples, or if an option is out of range.
 */
export async function distill(
  gate: SeerGate,
  samples: readonly SeerSample[],
  options: DistillOptions = {},
): Promise<Distilled> {
  const { steps = 500, batch = Math.min(16, samples.length), lr = 1e-3, lossScale = 10, signal } = options;
  const counts = [["samples", samples.length, 1], ["steps", steps, 0], ["batch", batch, 1]] as const;
  for (const [name, value, low] of counts) {
    if (Number.isSafeInteger(value) && value >= low) continue;
    throw new RangeError(`Cannot distill: ${value} ${name}, expected a whole number of at least ${low}`);
  }
  if (!Number.isFinite(lossScale)) {
    throw new RangeError(`Cannot distill: "lossScale" is ${lossScale}, expected a finite number`);
  }
  const { optimizer = adamW({ rate: cosineRate(lr, steps, 20) }) } = options;
  const { config } = gate;
  using d = samples[0]!.qPre.device.scope();
  const prepared = samples.map(({ qPre, kPre, q, k }): Prepared => {
    if (firstKeyBlock(config, qPre, kPre) + firstKeyBlock(config, q, k) > 0) {
      throw new RangeError(
        `Cannot distill: a sample has ${qPre.shape[1]} queries and ${kPre.shape[1]} keys, expected as many`,
      );
    }
    return {
      ...scoped(d, (s) => ({ ...poolInputs(s, config, qPre, kPre) })),
      target: seerTarget(d, q, k, config.blockSize),
    };
  });

  const start = uploadWeights(d, gate);
  const stateOf = (weight: Tensor): Tensor[] => [
    weight,
    ...Array.from({ length: optimizer.moments }, () => full(d, weight.shape, 0)),
  ];
  let wk = stateOf(start.wk);
  let wq = start.wq && stateOf(start.wq);
  const losses: Tensor[] = [];
  for (let step = 0; step < steps; step++) {
    await d.flush(signal);
    using s = d.scope();
    const found = Array.from({ length: batch }, (_, i) => {
      const sample = prepared[(step * batch + i) % prepared.length]!;
      return learn(s, config, { wk: wk[0]!, wq: wq?.[0] }, sample, lossScale);
    });
    const move = (state: readonly Tensor[], gradients: readonly Tensor[]): Tensor[] => {
      const next = optimizer.update(s, state, meanOf(s, gradients), step);
      for (const tensor of next) s.keep(tensor);
      for (const old of state) if (!next.includes(old)) old.dispose();
      return next;
    };
    losses.push(s.keep(meanOf(s, found.map((one) => one.kl))));
    wk = move(wk, found.map((one) => one.wk));
    wq = wq && move(wq, found.map((one) => one.wq!));
  }
  return {
    gate: new SeerGate(config, { wk: await wk[0]!.read(), wq: await wq?.[0]?.read() }),
    kl: steps > 0 ? await concat(d, losses, 0).read() : new Float32Array(0),
  };
}

/** Divergence and gradients for one sample. */
function learn(
  d: Device,
  config: SeerGateConfig,
  weights: GateTensors,
  { target, ...pooled }: Prepared,
  lossScale: number,
): GateTensors & { readonly kl: Tensor } {
  const context = seerGateLayer.forward(d, config, weights, pooled);
  const dLogits = seerLoss.backward(d, context.logits, target, lossScale);
  return {
    kl: seerLoss.forward(d, context.logits, target),
    ...seerGateLayer.backward(d, config, context, dLogits),
  };
}

function meanOf(d: Device, tensors: readonly Tensor[]): Tensor {
  const sum = tensors.reduce((all, one) => add(d, all, one));
  return mul(d, sum, full(d, [1], 1 / tensors.length));
}
