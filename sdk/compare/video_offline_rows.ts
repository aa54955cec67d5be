/**
 * Rows of methods whose plans are found before: on a video of its own, by the dense loop.
 *
 * @module
 */
import { attention } from "../attention/attention.ts";
import type { Device } from "../device/device.ts";
import { concat } from "../device/ops/concat.ts";
import type { Tensor } from "../device/tensor.ts";
import { efficientVdit } from "../methods/efficient_vdit.ts";
import { paroAttention } from "../methods/paro_attention.ts";
import { type ParoBits, paroIntegerAttention } from "../methods/paro_attention_integer.ts";
import { sparseVdit } from "../methods/sparse_vdit.ts";
import type { SparseVditProfile } from "../methods/sparse_vdit_profile.ts";
import { blobVideo, denoiseVideo, denseVideo, VIDEO_GRID, VIDEO_STEPS } from "./video.ts";
import { VIDEO_BLOCK, type VideoRow } from "./video_rows.ts";

/** The video that profiles are calibrated on; no row is measured with it. */
const CALIBRATION_SEED = 100;

const { frames, height, width } = VIDEO_GRID;
const LAYOUT = { frames, tokensPerFrame: height * width, text: 0 };

/** What the dense loop saw at one step. */
export interface VideoSample {
  /** From 0. */
  readonly step: number;
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
}

/**
 * Queries, keys and values of all steps of the dense loop.
 *
 * @param device Receives them.
 */
export async function videoSamples(device: Device, seed: number = CALIBRATION_SEED): Promise<VideoSample[]> {
  const samples: VideoSample[] = [];
  await denoiseVideo(device, blobVideo(seed).noisy, (at) => {
    const [q, k, v] = [at.q, at.k, at.v].map((x) => concat(device, [x], 0)) as [Tensor, Tensor, Tensor];
    samples.push({ step: at.step, q, k, v });
    return denseVideo(at);
  });
  return samples;
}

/** Calibrates Sparse-vDiT for the video. */
export function videoModes(device: Device, samples: readonly VideoSample[]): Promise<SparseVditProfile> {
  const geometry = { ...LAYOUT, blockSize: VIDEO_BLOCK, wDiagonal: 9, wMulti: 2, nStripe: 8 };
  return sparseVdit.calibrate(device, samples, geometry, { epsilon: 0.1, lambda: 0.1, normalise: true });
}

/** Sparse-vDiT with one mode per head. */
export function sparseVditRow(name: string): VideoRow {
  return {
    name,
    async start(device) {
      const profile = await videoModes(device, await videoSamples(device));
      const method = sparseVdit({ profile });
      return ({ d, q, k, v }) => {
        const plan = method.plan(d, q, k);
        return { ...attention(d, q, k, v, { plan }), plan };
      };
    },
  };
}

/**
 * PAROAttention with a mask per step.
 *
 * @param orders Orders to choose from. @default all
 * @param bits Attention in integers. @default in floats
 */
export function paroRow(
  name: string,
  { density = 0.2, orders, bits }: {
    readonly density?: number;
    readonly orders?: readonly number[];
    readonly bits?: ParoBits;
  } = {},
): VideoRow {
  return {
    name,
    async start(device) {
      const profile = await paroAttention.calibrate(device, await videoSamples(device), {
        ...{ dims: [frames, height, width], steps: VIDEO_STEPS, blockSize: VIDEO_BLOCK, density },
        ...(orders && { orders }),
      });
      return ({ d, step, q, k, v }) => {
        const plan = paroAttention({ profile, step }).plan(d, q, k);
        if (bits) return { out: paroIntegerAttention(d, q, k, v, { profile, step, bits }), plan };
        return { ...attention(d, q, k, v, { plan }), plan };
      };
    },
  };
}

/** Efficient-vDiT with so many reference frames in all heads. */
export function efficientVditRow(name: string, references: number): VideoRow {
  return {
    name,
    start() {
      const method = efficientVdit({ ...LAYOUT, k: references, blockSize: VIDEO_BLOCK });
      return ({ d, q, k, v }) => {
        const plan = method.plan(d, q, k);
        return { ...attention(d, q, k, v, { plan }), plan };
      };
    },
  };
}

/** The rows of these methods; all steps are sparse. */
export const OFFLINE_ROWS: readonly VideoRow[] = [
  paroRow("paroAttention 0.2"),
  paroRow("  natural order", { orders: [0] }),
  paroRow("  8 bits", { bits: 8 }),
  sparseVditRow("sparseVdit"),
  efficientVditRow("efficientVdit 4:4", 4),
  efficientVditRow("efficientVdit 2:6", 2),
  efficientVditRow("efficientVdit 1:7", 1),
];
