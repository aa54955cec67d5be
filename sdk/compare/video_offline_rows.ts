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
import { paroIntegerAttention } from "../methods/paro_attention_integer.ts";
import type { Planner } from "../methods/planner.ts";
import { sparseVdit } from "../methods/sparse_vdit.ts";
import {
  blobVideo,
  denoiseVideo,
  denseVideo,
  VIDEO_BLOCK,
  VIDEO_GRID,
  VIDEO_STEPS,
  type VideoAttention,
} from "./video.ts";
import type { VideoRow } from "./video_rows.ts";

/** The video that profiles are calibrated on; no row is measured with it. */
const CALIBRATION_SEED = 100;

const LAYOUT = {
  frames: VIDEO_GRID.frames,
  tokensPerFrame: VIDEO_GRID.height * VIDEO_GRID.width,
  text: 0,
};
