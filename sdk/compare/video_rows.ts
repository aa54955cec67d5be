/**
 * Ways to denoise the video, side by side.
 *
 * @module
 */
import { attention } from "../attention/attention.ts";
import { planFromLists } from "../attention/builders.ts";
import type { Device } from "../device/device.ts";
import { adaSpa, type AdaSpaOptions } from "../methods/ada_spa.ts";
import { random } from "../testing/random.ts";
import {
  blobVideo,
  type DenoisedVideo,
  denoiseVideo,
  denseVideo,
  psnr,
  VIDEO_HEADS,
  type VideoAttention,
} from "./video.ts";

/** One way; what it keeps over the steps is its own. */
export interface VideoRow {
  readonly name: string;
  /**
   * Begins with a video.
   *
   * @param device Receives what lasts over the steps; a scope that ends with the video.
   */
  start(device: Device, noisy: Float32Array): VideoAttention | Promise<VideoAttention>;
}

/** Tokens per block in all rows. */
export const VIDEO_BLOCK = 16;

/** Everything. */
export const denseRow: VideoRow = { name: "dense", start: () => denseVideo };

/** AdaSpa with searches at the first and the fourth step. */
export function adaSpaRow(name: string, options: Partial<AdaSpaOptions> = {}): VideoRow {
  return {
    name,
    start(device) {
      const method = adaSpa({ sparsity: 0.8, blockSize: VIDEO_BLOCK, searchSteps: [1, 4], ...options });
      const session = method.session(device);
      return ({ d, step, q, k, v }) => session.attend(d, q, k, v, { step });
    },
  };
}

/** Dense at the first step, then a random choice of as many blocks per row as AdaSpa keeps at a sparsity. */
export function randomRow(name: string, sparsity: number, seed: number): VideoRow {
  return {
    name,
    async start(device, noisy) {
      const [heads, length] = [VIDEO_HEADS.length, noisy.length];
      const blocks = Math.ceil(length / VIDEO_BLOCK);
      const all = Array.from({ length: blocks }, (_, b) => b * VIDEO_BLOCK);
      const r = random(seed);
      const row = () => r.shuffle(all).slice(0, Math.ceil((1 - sparsity) * blocks)).sort((a, b) => a - b);
      const tiles = Array.from({ length: heads }, () => Array.from({ length: blocks }, row));
      const sizes = { heads, lq: length, lk: length, causal: false, blockQ: VIDEO_BLOCK, tileK: VIDEO_BLOCK };
      const plan = await planFromLists(device, sizes, { tiles });
      return (at) =>
        at.step === 0 ? denseVideo(at) : { ...attention(at.d, at.q, at.k, at.v, { plan }), plan };
    },
  };
}

/** The rows of the comparison; the first is dense. */
export const VIDEO_ROWS: readonly VideoRow[] = [
  denseRow,
  adaSpaRow("adaSpa 0.8"),
  adaSpaRow("  without cached lse", { cacheLse: false }),
  adaSpaRow("  without head adaptation", { adaptHeads: false }),
  randomRow("random rows, as many blocks", 0.8, 1),
];

/** What a row reached, mean over videos; PSNR in dB. */
export interface VideoScore {
  readonly name: string;
  readonly density: number;
  readonly recall: number;
  /** Against the result of the first row. */
  readonly vsDense: number;
  /** Against the video without noise. */
  readonly vsClean: number;
  /** The first video, denoised. */
  readonly video: Float32Array;
}

/**
 * Denoises videos by every row.
 *
 * @param rows The first is what the others are compared with: dense.
 * @param seeds One per video.
 */
export async function compareVideos(
  device: Device,
  rows: readonly VideoRow[],
  seeds: readonly number[],
): Promise<VideoScore[]> {
  const videos = seeds.map((seed) => blobVideo(seed));
  const runs: DenoisedVideo[][] = [];
  for (const row of rows) {
    const own: DenoisedVideo[] = [];
    for (const { noisy } of videos) {
      using scope = device.scope();
      own.push(await denoiseVideo(scope, noisy, await row.start(scope, noisy)));
    }
    runs.push(own);
  }
  const mean = (of: (n: number) => number): number =>
    videos.reduce((sum, _, n) => sum + of(n), 0) / videos.length;
  return rows.map(({ name }, i) => ({
    name,
    density: mean((n) => runs[i]![n]!.density),
    recall: mean((n) => runs[i]![n]!.recall),
    vsDense: mean((n) => psnr(runs[i]![n]!.video, runs[0]![n]!.video)),
    vsClean: mean((n) => psnr(runs[i]![n]!.video, videos[n]!.clean)),
    video: runs[i]![0]!.video,
  }));
}
