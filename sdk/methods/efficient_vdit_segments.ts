/**
 * Multi-step consistency: a model jumps from any time of a segment to the segment's end, so that sampling takes one evaluation per segment.
 *
 * Segments as Heek et al., 2024, https://arxiv.org/abs/2403.06807; the jump is the deterministic one of DDIM.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { add, mul } from "../device/ops/binary.ts";
import { scoped } from "../device/scoped.ts";
import type { Tensor } from "../device/tensor.ts";
import { checkWhole } from "./_check_whole.ts";

/** A diffusion of `steps` steps: a noisy sample at time t is alpha[t] x + sigma[t] noise. */
export interface DiffusionSchedule {
  /** [steps + 1]: 1 at time 0. */
  readonly alpha: ArrayLike<number>;
  /** [steps + 1]: 0 at time 0 alone. */
  readonly sigma: ArrayLike<number>;
}

/** How the times 1 to `steps` are cut into segments. */
export interface Segments {
  /** Times, from 1. */
  readonly steps: number;
  /** Parts of equal size; a divisor of `steps`. */
  readonly segments: number;
}

/**
 * The time that a jump from time `t` goes to: the lower end of its segment.
 *
 * @param t From 1 to `steps`.
 * @throws RangeError if `t` is out of range, or there are no steps, or segments of different sizes.
 */
export function segmentTarget(t: number, { steps, segments }: Segments): number {
  checkWhole("segmentTarget", { steps, segments }, { steps: 1, segments: 1 });
  if (steps % segments !== 0) {
    throw new RangeError(
      `Cannot use segmentTarget: "segments" is ${segments}, expected a divisor of the ${steps} steps`,
    );
  }
  if (!Number.isInteger(t) || t < 1 || t > steps) {
    throw new RangeError(`Cannot use segmentTarget: "t" is ${t}, expected a whole number from 1 to ${steps}`);
  }
  const size = steps / segments;
  return Math.floor((t - 1) / size) * size;
}

/** A jump: z_s = keep * z_t + clean * x, where x is the clean sample that a model sees in z_t. */
export interface Jump {
  /** Factor of the noisy sample. */
  readonly keep: number;
  /** Factor of the clean one. */
  readonly clean: number;
}

/**
 * Factors of the jump from time t to time s.
 *
 * From t to the same t nothing moves; to time 0 the jump gives x.
 *
 * @throws RangeError if the schedule has no such times, or no noise at t.
 */
export function jumpFactors(
  { alpha, sigma }: DiffusionSchedule,
  t: number,
  s: number,
): Jump {
  const known = (time: number): boolean => Number.isFinite(alpha[time]) && Number.isFinite(sigma[time]);
  if (!known(t) || !known(s) || !(sigma[t]! > 0)) {
    throw new RangeError(
      `Cannot jump from time ${t} to ${s}: the schedule has times 0 to ${
        alpha.length - 1
      }, and there must be noise at the first`,
    );
  }
  const keep = sigma[s]! / sigma[t]!;
  return { keep, clean: alpha[s]! - keep * alpha[t]! };
}

/**
 * Jumps to the ends of segments.
 *
 * @param d Receives the result.
 * @param z Noisy samples [n, ...].
 * @param xHat What the model takes for the clean samples, of the same shape.
 * @param times Of every sample its time t; one number for all.
 * @param options The schedule and the segments.
 * @returns [n, ...]: the samples at the lower ends of their segments.
 * @throws RangeError if shapes or times do not fit.
 */
export function segmentStep(
  d: Device,
  z: Tensor,
  xHat: Tensor,
  times: number | readonly number[],
  options: DiffusionSchedule & Segments,
): Tensor {
  const rows = z.shape[0] ?? 1;
  const each = typeof times === "number" ? new Array<number>(rows).fill(times) : times;
  if (`${z.shape}` !== `${xHat.shape}` || each.length !== rows) {
    throw new RangeError(
      `Cannot run segmentStep: "z" [${z.shape}], "xHat" [${xHat.shape}] and ${each.length} times do not fit, expected the same shape and one time for all or for each of ${rows} samples`,
    );
  }
  return jumpBy(d, z, xHat, each.map((t) => jumpFactors(options, t, segmentTarget(t, options))));
}

/**
 * Jumps by given factors.
 *
 * @param d Receives the result.
 * @param z [n, ...].
 * @param xHat Of the same shape.
 * @param jumps One per sample.
 */
export function jumpBy(d: Device, z: Tensor, xHat: Tensor, jumps: readonly Jump[]): Tensor {
  return scoped(d, (s) => {
    const scaled = (x: Tensor, name: keyof Jump): Tensor =>
      mul(s, x, s.tensor(Float32Array.from(jumps, (jump) => jump[name]), [jumps.length]), { axis: "rows" });
    return add(s, scaled(z, "keep"), scaled(xHat, "clean"));
  });
}
