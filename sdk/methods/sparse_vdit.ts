/**
 * Sparse-vDiT: one of five fixed patterns for every head of a video diffusion transformer, found offline.
 *
 * Chen et al., 2025, https://arxiv.org/abs/2506.03065; the widths of the patterns and the columns of the stripe are not published and are
 * reconstructed here.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { checkWhole } from "./_check_whole.ts";
import { type Method, method, planner } from "./planner.ts";
import type { Samples } from "./samples.ts";
import {
  calibrateSparseVdit,
  type SparseVditCalibrateOptions,
  type SparseVditSample,
} from "./sparse_vdit_calibrate.ts";
import { draftModes, type SparseVditGeometry } from "./sparse_vdit_modes.ts";
import {
  geometryOf,
  layerModes,
  parseSparseVditProfile,
  type SparseVditProfile,
} from "./sparse_vdit_profile.ts";
import { expectVideo } from "./video_layout.ts";

/** Options of {@linkcode sparseVdit}. */
export interface SparseVditOptions {
  /** The modes of the model: what `sparseVdit.calibrate` found. */
  readonly profile?: SparseVditProfile | undefined;
  /** The layer that is planned, from 0. @default 0 */
  readonly layer: number;
  /** Denoising step, from 0, for profiles that have modes by step. @default the modes of all steps together */
  readonly step?: number | undefined;
}

/**
 * Plans the modes of a layer. Plans do not depend on queries and keys: make one per layer and use it in all steps. All heads are one launch, each with
 * its own mode; a skipped head gives zeros.
 *
 * @example
 * ```ts
 * import { openDevice } from "../device/mod.ts";
 * import { sparseVdit } from "./sparse_vdit.ts";
 *
 * const device = await openDevice();
 * const x = device.tensor(Float32Array.from({ length: 2 * 96 * 8 }, Math.sin), [2, 96, 8]);
 * const geometry = { frames: 6, tokensPerFrame: 16, text: 0, blockSize: 8, wDiagonal: 2, wMulti: 1, nStripe: 2 };
 * const profile = await sparseVdit.calibrate(device, [{ q: x, k: x, v: x }], geometry, { targetDensity: 0.5 });
 * using plan = sparseVdit({ profile }).plan(device, x, x);
 * console.log(profile.layers[0].mode, await plan.density());
 * device.dispose();
 * ```
 * @throws TypeError without a profile; RangeError if an option is out of range or the profile is of another model, grid or length.
 */
export const sparseVdit: Method<SparseVditOptions> & {
  /** Finds the modes of a model; see {@linkcode SparseVditSample}. */
  calibrate(
    device: Device,
    samples: Samples<SparseVditSample>,
    geometry: SparseVditGeometry,
    options?: SparseVditCalibrateOptions,
  ): Promise<SparseVditProfile>;
} = method({
  defaults: { layer: 0 } as SparseVditOptions,
  citation: {
    title: "Sparse-vDiT: Unleashing the Power of Sparse Attention to Accelerate Video Diffusion Transformers",
    url: "https://arxiv.org/abs/2506.03065",
  },
  planner: ({ profile: given, layer: own, step }: SparseVditOptions) => {
    checkWhole("sparseVdit", { layer: own, step: step ?? 0 }, { layer: 0, step: 0 });
    if (given === undefined) {
      throw new TypeError(
        `Cannot use sparseVdit: "profile" is missing, find one with sparseVdit.calibrate() or read a file`,
      );
    }
    const profile = parseSparseVditProfile(given);
    const geometry = geometryOf(profile);
    return planner("sparseVdit", (d, _q, _k, sizes, _note, layer = own) => {
      expectVideo("sparseVdit", geometry, sizes);
      const { modes, stripes } = layerModes(profile, layer, sizes.heads, step);
      return draftModes(d, geometry, modes, stripes);
    }, { causal: false });
  },
}, { calibrate: calibrateSparseVdit });
