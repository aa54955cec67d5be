/**
 * MInference 1.0: of every head one of three patterns, found offline; where its lines or blocks lie is estimated online.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { DEFAULTS, type MInferenceOptions, minferencePlanner } from "./minference_planner.ts";
import { loadProfile, type MInferenceLoadOptions, type MInferenceProfile } from "./minference_profile.ts";
import { calibrate, type MInferenceSample, type MInferenceSearchOptions } from "./minference_search.ts";
import { type Method, method } from "./planner.ts";

export type { MInferenceOptions } from "./minference_planner.ts";
export type {
  MInferenceCriterion,
  MInferenceLoadOptions,
  MInferencePattern,
  MInferencePatternName,
  MInferenceProfile,
} from "./minference_profile.ts";
export type { LineSettings } from "./minference_lists.ts";
export type { MInferenceFigures, MInferenceSample, MInferenceSearchOptions } from "./minference_search.ts";

/** The offline side of {@linkcode minference}. */
export interface MInferenceProfiles {
  /**
   * Reads a configuration: an official file (a list over layers of `{"0": ["vertical_and_slash", 1000, 6096, 1], ...}`) or a profile of
   * `calibrate`, as text or parsed.
   *
   * @throws SyntaxError if the text is not JSON, TypeError if something has the wrong kind, RangeError if the profile is for another model.
   */
  load(json: unknown, options: MInferenceLoadOptions): MInferenceProfile;
  /**
   * Finds a pattern for every head of a model from one prompt.
   *
   * @param device Computes.
   * @param samples One for every layer, in order; the caller frees them.
   * @returns A profile for `minference({ profile, layer })`; the fourth entry of a pattern is its score.
   * @throws RangeError if an option is out of range or layers differ in heads; the reason of the signal if it is aborted.
   */
  calibrate(
    device: Device,
    samples: Iterable<MInferenceSample> | AsyncIterable<MInferenceSample>,
    options?: MInferenceSearchOptions,
  ): Promise<MInferenceProfile>;
}

/**
 * MInference (arXiv 2407.02490): A-shape, vertical-slash or block-sparse attention for prefill, by head.
 *
 * Vertical-slash heads take the columns and diagonals that the last 64 queries look at most, as 64-wide tiles and single columns; block-sparse heads take the
 * key blocks whose means score highest. Fewer queries than keys (a later part of a prompt) work the same way, with the last queries of the part.
 * It pays off on long prompts only. Beside the official code, which may lose the diagonal there, the `forcedDiagonals` smallest distances are
 * always listed.
 *
 * @example
 * ```ts
 * import { openDevice } from "../device/mod.ts";
 * import { attention } from "../attention/mod.ts";
 * import { minference } from "./minference.ts";
 *
 * const device = await openDevice();
 * const q = device.tensor(new Float32Array(4 * 512 * 16), [4, 512, 16]);
 * const k = device.tensor(new Float32Array(2 * 512 * 16), [2, 512, 16]);
 * const patterns = new Array(4).fill(["vertical_and_slash", 50, 150]);
 * const plan = minference({ patterns }).plan(device, q, k);
 * console.log(attention(device, q, k, k, { plan }).out.shape); // 4, 512, 16
 * device.dispose();
 * ```
 */
export const minference: Method<MInferenceOptions> & MInferenceProfiles = method({
  defaults: DEFAULTS,
  citation: {
    title: "MInference 1.0: Accelerating Pre-filling for Long-Context LLMs via Dynamic Sparse Attention",
    url: "https://arxiv.org/abs/2407.02490",
  },
  planner: minferencePlanner,
}, { load: loadProfile, calibrate });
