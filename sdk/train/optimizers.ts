/**
 * Optimisers.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { add, binary, mul } from "../device/ops/binary.ts";
import { full } from "../device/ops/fill.ts";
import { unary } from "../device/ops/unary.ts";
import type { Tensor } from "../device/tensor.ts";

/** Moves weights against their gradients. */
export interface Optimizer {
  /** How many tensors of the shape of a weight it keeps beside it; zeros at first. */
  readonly moments: number;
  /**
   * Makes one step for one weight.
   *
   * @param d Receives the result.
   * @param state The weight, then its moments.
   * @param gradient Of the shape of the weight.
   * @param step Number of the step, from 0.
   * @returns The next state.
   */
  update(d: Device, state: readonly Tensor[], gradient: Tensor, step: number): Tensor[];
}

/** Learning rate of a step, from 0. */
export type LearningRate = number | ((step: number) => number);

/** Plain gradient descent: w - rate * gradient. */
export function sgd(rate: LearningRate): Optimizer {
  return {
    moments: 0,
    update: (d, [w], gradient, step) => [add(d, w!, scaled(d, gradient, -rateAt(rate, step)))],
  };
}

/** Options of {@linkcode adamW}. */
export interface AdamWOptions {
  /** Learning rate. @default 1e-3 */
  readonly rate?: LearningRate;
  /** How slowly the means of gradients and of their squares change. @default [0.9, 0.999] */
  readonly betas?: readonly [number, number];
  /** Added to the root of the mean square. @default 1e-8 */
  readonly epsilon?: number;
  /** Share of the rate by which weights shrink in a step. @default 0 */
  readonly decay?: number;
}

/** AdamW (Loshchilov and Hutter, 2019, https://arxiv.org/abs/1711.05101). */
export function adamW(options: AdamWOptions = {}): Optimizer {
  const { rate = 1e-3, betas: [slow, slower] = [0.9, 0.999], epsilon = 1e-8, decay = 0 } = options;
  const mix = (d: Device, old: Tensor, now: Tensor, beta: number): Tensor =>
    add(d, scaled(d, old, beta), scaled(d, now, 1 - beta));
  return {
    moments: 2,
    update(d, [w, m, v], gradient, step) {
      const mean = mix(d, m!, gradient, slow);
      const square = mix(d, v!, mul(d, gradient, gradient), slower);
      const root = unary(d, "sqrt", scaled(d, square, 1 / (1 - slower ** (step + 1))));
      const towards = binary(d, "div", mean, add(d, root, full(d, [1], epsilon)));
      const lr = rateAt(rate, step);
      const kept = decay === 0 ? w! : scaled(d, w!, 1 - lr * decay);
      return [add(d, kept, scaled(d, towards, -lr / (1 - slow ** (step + 1)))), mean, square];
    },
  };
}

/**
 * A learning rate that rises in a line and falls along half a cosine to 0.
 *
 * @param peak Rate after the warm-up.
 * @param steps Steps of the whole training.
 * @param warmup Steps of the rise.
 */
export function cosineRate(peak: number, steps: number, warmup: number): (step: number) => number {
  return (step) =>
    step < warmup
      ? peak * (step + 1) / (warmup + 1)
      : peak * (1 + Math.cos(Math.PI * (step - warmup) / Math.max(1, steps - warmup))) / 2;
}

function rateAt(rate: LearningRate, step: number): number {
  return typeof rate === "number" ? rate : rate(step);
}

function scaled(d: Device, x: Tensor, factor: number): Tensor {
  return mul(d, x, full(d, [1], factor));
}
