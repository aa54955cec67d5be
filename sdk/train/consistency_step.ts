/**
 * One step of multi-step consistency distillation: a student learns to jump from any time of a segment to the segment's end, where the teacher needs
 * all times between.
 *
 * Segments as Heek et al., 2024, https://arxiv.org/abs/2403.06807, which is the first stage of Efficient-vDiT (https://arxiv.org/abs/2502.06155). That paper
 * distils once more, a sparse student from the dense one that comes out of this; the weights of its losses are not published. A student with sparse
 * attention may as well learn by this step at once.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { binary, mul } from "../device/ops/binary.ts";
import { full } from "../device/ops/fill.ts";
import { reduce } from "../device/ops/reduce.ts";
import { reshape } from "../device/ops/reshape.ts";
import type { Tensor } from "../device/tensor.ts";
import {
  type DiffusionSchedule,
  type Jump,
  jumpBy,
  jumpFactors,
  type Segments,
  segmentTarget,
} from "../methods/efficient_vdit_segments.ts";

/** Sees clean samples in noisy ones. */
export type Denoiser = (
  /** Receives the result. */
  d: Device,
  /** Noisy samples [n, ...]. */
  z: Tensor,
  /** The time of each, from 1. */
  times: readonly number[],
) => Tensor | Promise<Tensor>;

/** A denoiser that learns. */
export interface Student<Context> {
  /** The clean samples, and what the backward pass needs. */
  forward(
    d: Device,
    weights: readonly Tensor[],
    z: Tensor,
    times: readonly number[],
  ): Promise<{ readonly xHat: Tensor; readonly context: Context }>;
  /** Gradients of the weights, in their shapes, from that of the clean samples. */
  backward(d: Device, weights: readonly Tensor[], context: Context, dXHat: Tensor): readonly Tensor[];
}

/** Noisy samples to learn from. */
export interface ConsistencyBatch {
  /** [n, ...]: alpha[t] x + sigma[t] noise. */
  readonly z: Tensor;
  /** The time t of each, from 1 to `steps`. */
  readonly times: readonly number[];
}

/** What {@linkcode consistencyStep} returns. */
export interface ConsistencyGradients {
  /** [1]: mean squared distance of the two jumps. */
  readonly loss: Tensor;
  /** Of the student's weights. */
  readonly gradients: readonly Tensor[];
}

/**
 * Compares two jumps to the end s of the segment of t: the student's from t, and its own from the point that one step of the teacher leads to, t - 1. The
 * second is a target: no gradient flows through it. Where t - 1 is the end, the target is the teacher's point itself, so that what is right there spreads
 * to later times.
 *
 * @param d Receives the loss and the gradients, and what is computed on the way: give it a scope.
 * @param weights Of the student.
 * @param teacher Takes steps from time to time.
 * @throws RangeError if times or shapes do not fit.
 */
export async function consistencyStep<Context>(
  d: Device,
  student: Student<Context>,
  weights: readonly Tensor[],
  teacher: Denoiser,
  { z, times }: ConsistencyBatch,
  options: DiffusionSchedule & Segments,
): Promise<ConsistencyGradients> {
  if (times.length !== z.shape[0] || z.size === 0) {
    throw new RangeError(
      `Cannot run consistencyStep: "z" [${z.shape}] and ${times.length} times do not fit, expected samples and a time for each`,
    );
  }
  const ends = times.map((t) => segmentTarget(t, options));
  const jumps = times.map((t, i) => jumpFactors(options, t, ends[i]!));
  const before = times.map((t) => t - 1);
  const earlier = jumpBy(d, z, await teacher(d, z, times), before.map((t) => jumpFactors(options, t + 1, t)));
  // There is no noise at time 0, and nothing to jump over: any time does.
  const seen = await student.forward(d, weights, earlier, before.map((t) => Math.max(t, 1)));
  const rest = before.map((t, i): Jump =>
    t === ends[i] ? { keep: 1, clean: 0 } : jumpFactors(options, t, ends[i]!)
  );
  const target = jumpBy(d, earlier, seen.xHat, rest);

  const { xHat, context } = await student.forward(d, weights, z, times);
  const difference = binary(d, "sub", jumpBy(d, z, xHat, jumps), target);
  const square = mul(d, difference, difference);
  const slopes = Float32Array.from(jumps, ({ clean }) => 2 * clean / z.size);
  const dXHat = mul(d, difference, d.tensor(slopes, [slopes.length]), { axis: "rows" });
  return {
    loss: mul(d, reduce(d, "sum", reshape(d, square, [1, z.size])), full(d, [1], 1 / z.size)),
    gradients: student.backward(d, weights, context, dXHat),
  };
}
