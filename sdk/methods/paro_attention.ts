/**
 * PAROAttention: tokens of a picture or video are put in the order of its axes in which a head's attention is blocky, then a static block mask does.
 *
 * Zhao et al., 2025, https://arxiv.org/abs/2506.16054; the calibration follows the equations of the paper, its gaps are reconstructed.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import type { Tensor } from "../device/tensor.ts";
import { checkWhole } from "./_check_whole.ts";
import { calibrateParo, type ParoCalibrateOptions, type ParoSample } from "./paro_attention_calibrate.ts";
import { expectGrid, orderPart } from "./paro_attention_orders.ts";
import {
  FEW_BLOCKS,
  paroBlocks,
  paroMasks,
  type ParoProfile,
  parseParoProfile,
} from "./paro_attention_profile.ts";
import { type Method, method, planner } from "./planner.ts";
import type { Samples } from "./samples.ts";
import { listTable } from "./scores.ts";

/** Options of {@linkcode paroAttention}. */
export interface ParoAttentionOptions {
  /** Orders and masks of the model: what `paroAttention.calibrate` found, or the bytes of a file of it. */
  readonly profile?: ParoProfile | Uint8Array | undefined;
  /** The layer that is planned, from 0. @default 0 */
  readonly layer: number;
  /** Denoising step, from 0. @default 0 */
  readonly step: number;
}

/**
 * Plans a layer at a step: the tiles of its mask, in the order of every head. Plans do not depend on queries and keys; steps that share a mask may share
 * the plan. For attention in integers see `paroIntegerAttention`.
 *
 * @example
 * ```ts
 * import { openDevice } from "../device/mod.ts";
 * import { paroAttention } from "./paro_attention.ts";
 *
 * const device = await openDevice();
 * const x = device.tensor(Float32Array.from({ length: 2 * 120 * 8 }, Math.sin), [2, 120, 8]);
 * const options = { dims: [4, 6, 5], steps: 2, blockSize: 8 } as const;
 * const profile = await paroAttention.calibrate(device, [0, 1].map((step) => ({ step, q: x, k: x })), options);
 * using plan = paroAttention({ profile, step: 1 }).plan(device, x, x);
 * console.log(profile.order[0], await plan.density());
 * device.dispose();
 * ```
 * @throws TypeError without a profile; RangeError if an option is out of range or the profile is of another model, grid or length.
 */
export const paroAttention: Method<ParoAttentionOptions> & {
  /** Finds the orders and masks of a model; see {@linkcode ParoSample}. */
  calibrate(
    device: Device,
    samples: Samples<ParoSample>,
    options: ParoCalibrateOptions,
  ): Promise<ParoProfile>;
} = method({
  defaults: { layer: 0, step: 0 } as ParoAttentionOptions,
  citation: {
    title: "PAROAttention: Pattern-Aware ReOrdering for Efficient Sparse and Quantized Attention",
    url: "https://arxiv.org/abs/2506.16054",
  },
  planner: ({ profile: given, layer: own, step }: ParoAttentionOptions) => {
    checkWhole("paroAttention", { layer: own, step }, { layer: 0, step: 0 });
    if (given === undefined) {
      throw new TypeError(
        `Cannot use paroAttention: "profile" is missing, find one with paroAttention.calibrate() or read a file`,
      );
    }
    const profile = parseParoProfile(given);
    const { dims, textLen, blockSize, order } = profile;
    const n = paroBlocks(profile);
    return planner("paroAttention", (d, _q, _k, sizes, _note, layer = own) => {
      expectGrid(dims, textLen, sizes);
      const masks = paroMasks(profile, layer, step, sizes.heads);
      if (n <= FEW_BLOCKS) return "dense";
      const tiles = tilesOf(d, masks, n, blockSize);
      const orders = orderPart(d, dims, textLen, order[layer]!);
      return { blockQ: blockSize, tileK: blockSize, parts: { tiles, qOrder: orders, kOrder: orders } };
    }, { causal: false });
  },
}, { calibrate: calibrateParo });

/** The tiles of masks as lists. */
function tilesOf(d: Device, masks: readonly Uint8Array[], n: number, blockSize: number): Tensor {
  const lists = masks.flatMap((mask) =>
    Array.from(
      { length: n },
      (_, row) =>
        [...Array(n).keys()].filter((column) => mask[row * n + column] === 1).map((tile) => tile * blockSize),
    )
  );
  return listTable(d, [masks.length, n], lists);
}
