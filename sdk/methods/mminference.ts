/**
 * MMInference: lines, grids and boundaries between modalities, for prompts of text and vision.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { modalityOrder } from "./mminference_cells.ts";
import { DEFAULTS, type MMInferenceOptions, mminferencePlanner } from "./mminference_planner.ts";
import type { MmPattern } from "./mminference_patterns.ts";
import { loadProfile, type MMInferenceLoadOptions, type MMInferenceProfile } from "./mminference_profile.ts";
import { calibrate, type MMInferenceSearchOptions } from "./mminference_search.ts";
import { type MMInferenceSpaceOptions, searchSpace } from "./mminference_space.ts";
import type { MMInferenceSample } from "./mminference_trial.ts";
import { type Method, method } from "./planner.ts";

export type {
  MmAShape,
  MmDense,
  MmGrid,
  MmHead,
  MmInter,
  MmPattern,
  MmVerticalSlash,
} from "./mminference_patterns.ts";
export type { MMInferenceOptions } from "./mminference_planner.ts";
export type { MMInferenceLoadOptions, MMInferenceProfile } from "./mminference_profile.ts";
export type { MMInferenceSearchOptions } from "./mminference_search.ts";
export type { MMInferenceSpaceOptions } from "./mminference_space.ts";
export type { MMInferenceSample, MMInferenceTrial } from "./mminference_trial.ts";

/**
 * MMInference (arXiv 2504.16083): grids and lines between modalities, for the prefill of prompts of text and vision.
 *
 * Tokens of pictures and films make some heads attend to evenly spaced rows and columns, and patterns break where text and vision meet. So every head has
 * one pattern for all tokens, one for the queries of each modality, or one for each pair of modalities; all that a query sees is in one softmax. The
 * code of the paper is not published: what it leaves open (how strides are compared, the first keys and the local window of grids) is our reading.
 *
 * Fewer queries than keys (a later part of a prompt) work the same way, with the last queries of the part. A plan holds a bit for every pair of every tile that
 * a row block touches, up to Hq * Lq * Lk / 8 bytes: 32 heads of 8192 tokens take 256 MiB. Longer prompts are planned in parts.
 *
 * @example
 * ```ts
 * import { openDevice } from "../device/mod.ts";
 * import { attention } from "../attention/mod.ts";
 * import { mminference } from "./mminference.ts";
 *
 * const device = await openDevice();
 * const q = device.tensor(new Float32Array(4 * 512 * 16), [4, 512, 16]);
 * const k = device.tensor(new Float32Array(2 * 512 * 16), [2, 512, 16]);
 * const modality = Array.from({ length: 512 }, (_, i) => i < 32 || i >= 480 ? 0 : 1);
 * const planner = mminference({
 *   modality,
 *   heads: [{
 *     inter: "q",
 *     q0: { type: "vertical_slash", nv: 60, ns: 100, init: 30, local: 50 },
 *     q1: { type: "grid", strides: [16, 28], hline: false, vline: true, slash: true, init: 4, local: 16 },
 *   }],
 * });
 * const plan = planner.plan(device, q, k);
 * console.log(attention(device, q, k, k, { plan }).out.shape); // 4, 512, 16
 * device.dispose();
 * ```
 */
export const mminference:
  & Method<MMInferenceOptions>
  & {
    /** Reads a profile that `calibrate` made, and checks it. */
    load(json: unknown, options: MMInferenceLoadOptions): MMInferenceProfile;
    /** Searches the patterns of every head, one sample for each layer. */
    calibrate(
      device: Device,
      samples: Iterable<MMInferenceSample> | AsyncIterable<MMInferenceSample>,
      options?: MMInferenceSearchOptions,
    ): Promise<MMInferenceProfile>;
    /** The patterns that `calibrate` tries. */
    searchSpace(options?: MMInferenceSpaceOptions): MmPattern[];
    /** Tokens sorted by modality, each in the order of positions. */
    modalityOrder(modality: ArrayLike<number>): Int32Array;
  } = method({
    defaults: DEFAULTS,
    citation: {
      title:
        "MMInference: Accelerating Pre-filling for Long-Context VLMs via Modality-Aware Permutation Sparse Attention",
      url: "https://arxiv.org/abs/2504.16083",
    },
    planner: mminferencePlanner,
  }, { load: loadProfile, calibrate, searchSpace, modalityOrder });
