/**
 * Efficient-vDiT: every frame sees itself and a fixed number of reference frames, so that the cost grows linearly with the frames.
 *
 * Ding et al., 2025, https://arxiv.org/abs/2502.06155; the masks reproduce all sparsities of its table 1, the loss of the search is reconstructed.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { checkWhole } from "./_check_whole.ts";
import { blockSizeFor, draftFrames } from "./efficient_vdit_plan.ts";
import { type EfficientVditProfile, layoutOf, parseEfficientVditProfile } from "./efficient_vdit_profile.ts";
import {
  type EfficientVditSample,
  type EfficientVditSearchOptions,
  searchEfficientVdit,
} from "./efficient_vdit_search.ts";
import { type Method, method, planner } from "./planner.ts";
import { checkVideo, expectVideo, type VideoLayout } from "./video_layout.ts";

/** Options of {@linkcode efficientVdit}: a profile and a layer, or one mask and a layout. */
export interface EfficientVditOptions {
  /** The masks of the model: what `efficientVdit.search` found. */
  readonly profile?: EfficientVditProfile | undefined;
  /** The layer that is planned, from 0; of a profile. @default 0 */
  readonly layer: number;
  /** Reference frames, for all layers; 0: every frame sees itself alone. Without a profile. */
  readonly k?: number | undefined;
  /** Frames, in latent space; must be those of the profile where there is one. */
  readonly frames?: number | undefined;
  /** Tokens of a frame; must be those of the profile where there is one. */
  readonly tokensPerFrame?: number | undefined;
  /** Tokens of text before the first frame; they see all and are seen by all. @default 0, or what the profile says */
  readonly text?: number | undefined;
  /**
   * Tokens per block. Where blocks cross the border of a frame, plans have a bit for every pair in them.
   * @default the largest divisor of a frame up to 128, or 64 where that is below 16
   */
  readonly blockSize?: number | undefined;
}

/**
 * Plans the frame mask of a layer. Plans do not depend on queries and keys, and all heads share one: make it once per layer.
 *
 * @example
 * ```ts
 * import { openDevice } from "../device/mod.ts";
 * import { efficientVdit } from "./efficient_vdit.ts";
 *
 * const device = await openDevice();
 * const x = device.tensor(new Float32Array(2 * 96 * 8), [2, 96, 8]);
 * using plan = efficientVdit({ k: 2, frames: 8, tokensPerFrame: 12 }).plan(device, x, x);
 * console.log(await plan.density()); // 0.53125
 * device.dispose();
 * ```
 * @throws TypeError without a profile and without a mask; RangeError if an option is out of range or the profile is of another model, grid or length.
 */
export const efficientVdit: Method<EfficientVditOptions> & {
  /** Finds the mask of every layer; see {@linkcode EfficientVditSample}. */
  search(
    device: Device,
    samples: Iterable<EfficientVditSample> | AsyncIterable<EfficientVditSample>,
    options: EfficientVditSearchOptions,
  ): Promise<EfficientVditProfile>;
} = method({
  defaults: { layer: 0 } as EfficientVditOptions,
  citation: {
    title: "Efficient-vDiT: Efficient Video Diffusion Transformers With Attention Tile",
    url: "https://arxiv.org/abs/2502.06155",
  },
  planner: (options: EfficientVditOptions) => {
    const { profile, layout } = check(options);
    const { blockSize = blockSizeFor(layout) } = options;
    return planner("efficientVdit", (d, _q, _k, sizes, _note, layer = options.layer) => {
      expectVideo("efficientVdit", layout, sizes);
      const k = profile ? profile.chosen[layer] : options.k;
      if (k === undefined) {
        throw new RangeError(
          `Cannot plan efficientVdit: the profile is of another model, it has ${profile?.chosen.length} layers, got layer ${layer}`,
        );
      }
      return draftFrames(d, layout, k, blockSize);
    }, { causal: false });
  },
}, { search: searchEfficientVdit });

function check(
  options: EfficientVditOptions,
): { readonly profile: EfficientVditProfile | undefined; readonly layout: VideoLayout } {
  const { profile: given, layer, k, frames, tokensPerFrame, text, blockSize = 1 } = options;
  checkWhole("efficientVdit", { layer, blockSize }, { layer: 0, blockSize: 1 });
  if (given !== undefined) {
    const profile = parseEfficientVditProfile(given);
    const layout = layoutOf(profile);
    for (const [name, value] of Object.entries({ frames, tokensPerFrame, text })) {
      const own = layout[name as keyof VideoLayout];
      if (value === undefined || value === own) continue;
      throw new RangeError(
        `Cannot use efficientVdit: the profile is of another grid, its "${name}" is ${own}, expected ${value}; search again`,
      );
    }
    return { profile, layout };
  }
  if (k === undefined || frames === undefined || tokensPerFrame === undefined) {
    throw new TypeError(
      `Cannot use efficientVdit: give a "profile" of efficientVdit.search(), or "k", "frames" and "tokensPerFrame"`,
    );
  }
  const layout = { frames, tokensPerFrame, text: text ?? 0 };
  checkVideo("efficientVdit", layout);
  checkWhole("efficientVdit", { k }, { k: 0 });
  return { profile: undefined, layout };
}
