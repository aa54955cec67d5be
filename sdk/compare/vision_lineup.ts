/**
 * The methods for models whose tokens see both ways, on samples that they are made for.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { adaSpa } from "../methods/ada_spa.ts";
import { efficientVdit } from "../methods/efficient_vdit.ts";
import { paroAttention } from "../methods/paro_attention.ts";
import type { Planner } from "../methods/planner.ts";
import { sparseD } from "../methods/sparse_d.ts";
import { sparseVdit } from "../methods/sparse_vdit.ts";
import { sparsifiner } from "../methods/sparsifiner.ts";
import type { SparsifinerPredictor } from "../methods/sparsifiner_predictor.ts";
import type { Sample } from "./structured.ts";
import { blobVideo, VIDEO_GRID, VIDEO_HEAD_DIM, VIDEO_HEADS, type VideoGrid, videoHeads } from "./video.ts";

/** A sample that is not causal, and what is known of its tokens. */
export interface VisionSample extends Sample {
  /** Where tokens are those of a video. */
  readonly grid?: VideoGrid;
  /** Where tokens are those of an image, the CLS token first: what Sparsifiner learned of the layer. */
  readonly predictor?: SparsifinerPredictor;
}

/** The heads of a noisy video in the middle of its denoising. */
export function videoSample(seed: number): VisionSample {
  const { noisy } = blobVideo(seed);
  const sizes = { heads: VIDEO_HEADS.length, kvHeads: VIDEO_HEADS.length, headDim: VIDEO_HEAD_DIM };
  return { ...sizes, length: noisy.length, ...videoHeads(noisy, 3), causal: false, grid: VIDEO_GRID };
}

/**
 * Planners for a sample. The offline searches of the methods for videos are run on the sample itself, so they show the best that these methods reach.
 *
 * @param d Searches.
 */
export async function visionLineup(d: Device, sample: VisionSample): Promise<Record<string, Planner>> {
  const { heads, kvHeads, length, headDim, grid, predictor } = sample;
  // About 64 blocks, as the official ones of 64 tokens make of 4096.
  const blockSize = Math.max(8, Math.min(64, 2 ** Math.floor(Math.log2(length / 64))));
  const found: Record<string, Planner> = {
    sparseD: sparseD({ blockSize, genLen: Math.ceil(length / 4) }),
    adaSpa: adaSpa({ blockSize }),
  };
  if (predictor) found["sparsifiner"] = sparsifiner({ weights: predictor });
  if (!grid) return found;

  using s = d.scope();
  const q = s.tensor(sample.q, [heads, length, headDim]);
  const [k, v] = [sample.k, sample.v].map((x) => s.tensor(x, [kvHeads, length, headDim])) as [
    typeof q,
    typeof q,
  ];
  const { frames, height, width } = grid;
  const layout = { frames, tokensPerFrame: height * width, text: 0 };
  const paro = await paroAttention.calibrate(s, [{ step: 0, q, k }], {
    dims: [frames, height, width],
    steps: 1,
    blockSize,
  });
  const widths = { blockSize, wDiagonal: 9, wMulti: 2, nStripe: 8 };
  const vdit = await sparseVdit.calibrate(s, [{ q, k, v }], { ...layout, ...widths }, {
    normalise: true,
    epsilon: 0.1,
    lambda: 0.1,
  });
  return {
    ...found,
    paroAttention: paroAttention({ profile: paro }),
    sparseVdit: sparseVdit({ profile: vdit }),
    efficientVdit: efficientVdit({ ...layout, k: 2 }),
  };
}
