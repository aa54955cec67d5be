/**
 * A video that attention alone denoises: no weights, so that what a sparse method loses can be seen.
 *
 * Tokens are pixels. Each of four heads compares patches, and places by its own lengths: scores are squared distances, and a step moves every pixel
 * half the way to the mean of what the heads find alike (non-local means).
 *
 * @module
 */
import { attention } from "../attention/attention.ts";
import type { Plan } from "../attention/plan.ts";
import type { Device } from "../device/device.ts";
import type { Tensor } from "../device/tensor.ts";
import { random } from "../testing/random.ts";

/** Sizes of a video; token (f, y, x) is f * height * width + y * width + x. */
export interface VideoGrid {
  readonly frames: number;
  readonly height: number;
  readonly width: number;
}

/** The grid of the workload. */
export const VIDEO_GRID: VideoGrid = { frames: 8, height: 12, width: 12 };

/** Denoising steps of the workload. */
export const VIDEO_STEPS = 8;

/** Of every head, over how many frames and pixels it looks. */
export const VIDEO_HEADS: readonly { readonly frames: number; readonly pixels: number }[] = [
  { frames: 1e9, pixels: 1.2 },
  { frames: 1.5, pixels: 2.5 },
  { frames: 0.6, pixels: 1e9 },
  { frames: 1e9, pixels: 1e9 },
];

/** Columns of a head. */
export const VIDEO_HEAD_DIM = 32;

const PATCH = 27;

/** A clean video of three moving blobs, and the same with noise; [frames, height, width]. */
export interface NoisyVideo {
  readonly clean: Float32Array;
  readonly noisy: Float32Array;
}

/** Makes a video; the same seed gives the same one. */
export function blobVideo(seed: number, grid: VideoGrid = VIDEO_GRID): NoisyVideo {
  const { frames, height, width } = grid;
  const r = random(seed);
  const blobs = Array.from({ length: 3 }, () => {
    const [y, x, dy, dx] = [...r.uniforms(2, 1, 10), ...r.uniforms(2, -0.9, 0.9)] as [
      number,
      number,
      number,
      number,
    ];
    return { y, x, dy, dx, height: r.pick([-1, 1]) * (0.8 + 0.6 * r.uniform()) };
  });
  const clean = Float32Array.from({ length: frames * height * width }, (_, i) => {
    const [f, y, x] = place(grid, i);
    return blobs.reduce((sum, blob) => {
      const distance = (y - blob.y - f * blob.dy) ** 2 + (x - blob.x - f * blob.dx) ** 2;
      return sum + blob.height * Math.exp(-distance / 4);
    }, 0);
  });
  const noise = r.normals(clean.length, 0.4);
  return { clean, noisy: clean.map((value, i) => value + noise[i]!) };
}

/** Queries, keys and values of one step, row-major [4, tokens, 32]. */
export interface VideoHeads {
  readonly q: Float32Array<ArrayBuffer>;
  readonly k: Float32Array<ArrayBuffer>;
  readonly v: Float32Array<ArrayBuffer>;
}

/**
 * The heads of a step: q . k / sqrt(32) is minus the squared distance of features, but for what all keys of a query share.
 *
 * @param video The pixels as they are now.
 * @param step From 0; later steps compare patches more strictly.
 */
export function videoHeads(video: Float32Array, step: number, grid: VideoGrid = VIDEO_GRID): VideoHeads {
  const patches = patchesOf(video, grid);
  const bandwidth = 0.4 * 0.75 ** step;
  const tokens = video.length;
  const size = VIDEO_HEADS.length * tokens * VIDEO_HEAD_DIM;
  const [q, k, v] = [new Float32Array(size), new Float32Array(size), new Float32Array(size)];
  VIDEO_HEADS.forEach((look, head) => {
    for (let i = 0; i < tokens; i++) {
      const [f, y, x] = place(grid, i);
      const features = [
        ...patches.subarray(i * PATCH, (i + 1) * PATCH).map((value) => value / bandwidth),
        f / look.frames,
        y / look.pixels,
        x / look.pixels,
      ];
      const at = (head * tokens + i) * VIDEO_HEAD_DIM;
      const scale = Math.sqrt(VIDEO_HEAD_DIM);
      q.set([...features.map((value) => 2 * scale * value), scale], at);
      k.set([...features, -features.reduce((sum, value) => sum + value * value, 0)], at);
      v[at] = video[i]!;
    }
  });
  return { q, k, v };
}

/** What a row of the comparison does at one step. */
export interface VideoStep {
  /** Receives the result; freed after the step. What is to last lies with the device that the row was started on. */
  readonly d: Device;
  /** From 0. */
  readonly step: number;
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
}

/** What a step gives: [4, tokens, 32], and the plan it ran by, if any. */
export interface VideoMixed {
  readonly out: Tensor;
  readonly plan?: Plan | undefined;
}

/** The attention of one run over all steps. */
export type VideoAttention = (step: VideoStep) => VideoMixed | Promise<VideoMixed>;

/** Attention over everything. */
export const denseVideo: VideoAttention = ({ d, q, k, v }) => attention(d, q, k, v);

/** A denoised video; density and recall are those of the plan of the last step, 1 without one. */
export interface DenoisedVideo {
  readonly video: Float32Array;
  readonly density: number;
  readonly recall: number;
}

/** Denoises a video step by step. */
export async function denoiseVideo(
  device: Device,
  noisy: Float32Array,
  attend: VideoAttention,
  grid: VideoGrid = VIDEO_GRID,
): Promise<DenoisedVideo> {
  let video = noisy;
  let [density, recall] = [1, 1];
  for (let step = 0; step < VIDEO_STEPS; step++) {
    using d = device.scope();
    const heads = videoHeads(video, step, grid);
    const shape = [VIDEO_HEADS.length, video.length, VIDEO_HEAD_DIM];
    const [q, k, v] = [d.tensor(heads.q, shape), d.tensor(heads.k, shape), d.tensor(heads.v, shape)];
    const { out, plan } = await attend({ d, step, q, k, v });
    const mixed = await out.read();
    video = video.map((value, i) => {
      const sum = VIDEO_HEADS.reduce(
        (all, _, head) => all + mixed[(head * noisy.length + i) * VIDEO_HEAD_DIM]!,
        0,
      );
      return value / 2 + sum / VIDEO_HEADS.length / 2;
    });
    if (step === VIDEO_STEPS - 1 && plan) {
      [density, recall] = [await plan.density(), await plan.recall(q, k)];
    }
  }
  return { video, density, recall };
}

/** Peak signal-to-noise ratio in dB; the peak is the range of the reference. Equal videos give Infinity. */
export function psnr(video: ArrayLike<number>, reference: ArrayLike<number>): number {
  const values = Array.from(reference);
  const peak = Math.max(...values) - Math.min(...values);
  const error = values.reduce((sum, value, i) => sum + (value - video[i]!) ** 2, 0) / values.length;
  return 10 * Math.log10(peak ** 2 / error);
}

/** [tokens, 27]: the 3 x 3 x 3 pixels around every pixel, edges repeated, so scaled that squared distances are mean squared differences. */
function patchesOf(video: Float32Array, { frames, height, width }: VideoGrid): Float32Array {
  const patches = new Float32Array(video.length * PATCH);
  const inside = (at: number, size: number): number => Math.min(Math.max(at, 0), size - 1);
  let to = 0;
  for (let i = 0; i < video.length; i++) {
    const [f, y, x] = place({ frames, height, width }, i);
    for (let n = 0; n < PATCH; n++) {
      const [df, dy, dx] = [Math.floor(n / 9) - 1, Math.floor(n / 3) % 3 - 1, n % 3 - 1];
      const row = inside(f + df, frames) * height + inside(y + dy, height);
      patches[to++] = video[row * width + inside(x + dx, width)]! / Math.sqrt(PATCH);
    }
  }
  return patches;
}

function place({ height, width }: VideoGrid, token: number): readonly [number, number, number] {
  return [Math.floor(token / (height * width)), Math.floor(token / width) % height, token % width];
}
