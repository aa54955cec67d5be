/**
 * A student that denoises the small video: it mixes what four heads of sparse attention find, by weights of every segment.
 *
 * @module
 */
import { attention } from "../attention/attention.ts";
import type { Plan } from "../attention/plan.ts";
import { blobVideo, VIDEO_HEAD_DIM, VIDEO_HEADS, type VideoGrid, videoHeads } from "../compare/video.ts";
import type { Device } from "../device/device.ts";
import { gather } from "../device/ops/gather.ts";
import { matmul } from "../device/ops/matmul.ts";
import { reshape } from "../device/ops/reshape.ts";
import { transpose } from "../device/ops/transpose.ts";
import type { Tensor } from "../device/tensor.ts";
import { efficientVdit } from "../methods/efficient_vdit.ts";
import { random } from "../testing/random.ts";
import type { ConsistencyBatch, Denoiser, Student } from "./consistency_step.ts";

/** Small enough for a test. */
export const GRID: VideoGrid = { frames: 4, height: 5, width: 5 };

/** Eight times in two segments; noise up to 0.4 is added to the video. */
export const SCHEDULE = {
  steps: 8,
  segments: 2,
  alpha: new Float64Array(9).fill(1),
  sigma: Float64Array.from({ length: 9 }, (_, t) => 0.05 * t),
};

const INPUTS = VIDEO_HEADS.length + 1;

/** Noisy videos [n, tokens] at some times. */
export function noisyBatch(d: Device, seed: number, times: readonly number[]): ConsistencyBatch {
  const rows = times.flatMap((t, i) => {
    const { clean } = blobVideo(seed + i, GRID);
    const noise = random(1000 + seed + i).normals(clean.length, SCHEDULE.sigma[t]!);
    return [...clean].map((value, at) => value + noise[at]!);
  });
  return { z: d.tensor(Float32Array.from(rows), [times.length, rows.length / times.length]), times };
}

/** What heads find in noisy videos, and the videos: [n, 5, tokens]. */
async function found(d: Device, z: Tensor, plan?: (device: Device, x: Tensor) => Plan): Promise<Tensor> {
  const [n, tokens] = z.shape as [number, number];
  const videos = await z.read();
  const rows = new Float32Array(n * INPUTS * tokens);
  for (let i = 0; i < n; i++) {
    using s = d.scope();
    const video = videos.slice(i * tokens, (i + 1) * tokens);
    const heads = videoHeads(video, 0, GRID);
    const [q, k, v] = [heads.q, heads.k, heads.v].map((x) =>
      s.tensor(x, [VIDEO_HEADS.length, tokens, VIDEO_HEAD_DIM])
    ) as [Tensor, Tensor, Tensor];
    const out = await attention(s, q, k, v, { plan: plan?.(s, q) }).out.read();
    for (let h = 0; h < VIDEO_HEADS.length; h++) {
      for (let t = 0; t < tokens; t++) {
        rows[(i * INPUTS + h) * tokens + t] = out[(h * tokens + t) * VIDEO_HEAD_DIM]!;
      }
    }
    rows.set(video, (i * INPUTS + VIDEO_HEADS.length) * tokens);
  }
  return d.tensor(rows, [n, INPUTS, tokens]);
}

/** Dense attention; the more noise there is, the more of it is taken. */
export const teacher: Denoiser = async (d, z, times) => {
  const share = times.flatMap((t) => {
    const part = t / SCHEDULE.steps;
    return [...VIDEO_HEADS.map(() => part / VIDEO_HEADS.length), 1 - part];
  });
  const mix = d.tensor(Float32Array.from(share), [times.length, 1, INPUTS]);
  const inputs = transpose(d, await found(d, z), [0, 2, 1]);
  return reshape(d, matmul(d, mix, inputs), z.shape);
};

/** What the backward pass reads. */
interface Context {
  /** [n, 5, tokens]. */
  readonly inputs: Tensor;
  /** Segment of every sample. */
  readonly segments: readonly number[];
}

/** Its weights are one tensor [segments, 5]; attention is by frame tiles with one reference. */
export const student: Student<Context> = {
  async forward(d, [weights], z, times) {
    const segments = times.map((t) => Math.floor((t - 1) * SCHEDULE.segments / SCHEDULE.steps));
    const layout = { frames: GRID.frames, tokensPerFrame: GRID.height * GRID.width };
    const inputs = await found(d, z, (s, x) => efficientVdit({ ...layout, k: 1 }).plan(s, x, x));
    const own = gather(d, weights!, d.tensor(Int32Array.from(segments), [times.length, 1]));
    const xHat = reshape(d, matmul(d, own, transpose(d, inputs, [0, 2, 1])), z.shape);
    return { xHat, context: { inputs, segments } };
  },
  backward(d, _weights, { inputs, segments }, dXHat) {
    const n = segments.length;
    const perSample = matmul(d, reshape(d, dXHat, [n, 1, dXHat.shape[1]!]), inputs);
    const which = Float32Array.from(
      { length: SCHEDULE.segments * n },
      (_, i) => segments[i % n] === Math.floor(i / n) ? 1 : 0,
    );
    const columns = transpose(d, reshape(d, perSample, [n, INPUTS]));
    return [matmul(d, d.tensor(which, [SCHEDULE.segments, n]), columns)];
  },
};

/** Weights to begin with: half the video, half what the heads find. */
export function firstWeights(): Float32Array<ArrayBuffer> {
  return Float32Array.from(
    { length: SCHEDULE.segments * INPUTS },
    (_, i) => i % INPUTS === VIDEO_HEADS.length ? 0.5 : 0.5 / VIDEO_HEADS.length,
  );
}
