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
import type { ParoProfile } from "../methods/paro_attention_profile.ts";
import type { Planner } from "../methods/planner.ts";
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

/**
 * Calibrates PAROAttention for the video.
 *
 * @param orders Orders to choose from. @default all
 */
export function videoOrders(
  device: Device,
  samples: readonly VideoSample[],
  { density = 0.2, orders }: { readonly density?: number; readonly orders?: readonly number[] } = {},
): Promise<ParoProfile> {
  return paroAttention.calibrate(device, samples, {
    ...{ dims: [frames, height, width], steps: VIDEO_STEPS, blockSize: VIDEO_BLOCK, density },
    ...(orders && { orders }),
  });
}

/** A method whose planners differ at most by the step. */
function plannedRow(name: string, at: (step: number) => Planner): VideoRow {
  return {
    name,
    start: () => ({ d, step, q, k, v }) => {
      const plan = at(step).plan(d, q, k);
      return { ...attention(d, q, k, v, { plan }), plan };
    },
  };
}

/** PAROAttention with a mask per step. */
export function paroRow(name: string, profile: ParoProfile): VideoRow {
  return plannedRow(name, (step) => paroAttention({ profile, step }));
}

/** The same in integers, by the operations that say what comes out of them: slow. */
export function paroIntegerRow(name: string, profile: ParoProfile, bits: ParoBits): VideoRow {
  return {
    name,
    start: () => ({ d, step, q, k, v }) => ({
      out: paroIntegerAttention(d, q, k, v, { profile, step, bits }),
      plan: paroAttention({ profile, step }).plan(d, q, k),
    }),
  };
}

/** Rows, and what calibration chose for the four heads. */
export interface OfflineRows {
  readonly rows: readonly VideoRow[];
  /** Orders of PAROAttention. */
  readonly orders: readonly number[];
  /** Modes of Sparse-vDiT. */
  readonly modes: readonly number[];
}

/** The rows of these methods, all steps sparse; calibrates first. */
export async function offlineRows(device: Device): Promise<OfflineRows> {
  using scope = device.scope();
  const samples = await videoSamples(scope);
  const ordered = await videoOrders(scope, samples);
  const natural = await videoOrders(scope, samples, { orders: [0] });
  const profile = await videoModes(scope, samples);
  const rows = [
    paroRow("paroAttention 0.2", ordered),
    paroRow("  in the natural order", natural),
    plannedRow("sparseVdit", () => sparseVdit({ profile })),
    ...[4, 2, 1].map((k) =>
      plannedRow(
        `efficientVdit ${k}:${frames - k}`,
        () => efficientVdit({ ...LAYOUT, k, blockSize: VIDEO_BLOCK }),
      )
    ),
  ];
  return { rows, orders: ordered.order[0]!, modes: profile.layers[0]!.mode };
}
