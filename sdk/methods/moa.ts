/**
 * MoA: every head has a span of its own that grows with the length by a rule found offline.
 *
 * @module
 */
import { checkWhole } from "./_check_whole.ts";
import { alignedRows, blockTiles, touchesBand } from "./block_lists.ts";
import { calibrateMoa, type MoaCalibrateOptions, type MoaSample } from "./moa_calibrate.ts";
import {
  MOA_CACHE,
  type MoaCache,
  type MoaCacheOptions,
  moaCaches,
  type MoaPlan,
  parseMoaPlan,
} from "./moa_plan.ts";
import { fixedSelection } from "./fixed_selection.ts";
import { type Method, method, type Planner, planner } from "./planner.ts";
import { table } from "./scores.ts";
import type { Selector } from "./selector.ts";
import type { Device } from "../device/device.ts";
import type { Tensor } from "../device/tensor.ts";

/** Options of {@linkcode moa}. */
export interface MoaOptions extends MoaCacheOptions {
  /** The spans of the model: what a search wrote, or the official files hold. */
  readonly plan?: MoaPlan | undefined;
  /** The layer that is planned, from 0. @default 0 */
  readonly layer: number;
  /**
   * Tokens of the whole prompt, where a call may see only a part of it or comes after it. Spans depend on it.
   * @default the keys of the call; for a cache, the tokens of its first append
   */
  readonly promptLength?: number | undefined;
  /** Tokens per block of the pattern in the prompt. @default 64 */
  readonly blockSize: number;
}

/**
 * Within the prompt, key block j is visible to query block i if j <= i and (j < sink / blockSize or i - j < ring / blockSize), with the sink and ring of the
 * head's cache. After it (all queries from `promptLength` on, and decoding) a query sees what the cache holds: the sink and the last `ring` tokens, itself
 * included.
 *
 * Query heads that share keys share the longest of their spans.
 *
 * @example
 * ```ts
 * import { openDevice } from "../device/mod.ts";
 * import { moa } from "./moa.ts";
 *
 * const device = await openDevice();
 * const q = device.tensor(new Float32Array(2 * 1000 * 8), [2, 1000, 8]);
 * const plan = { alphas: [[0, 0]], betas: [[0.1, 0.5]] };
 * using sparse = moa({ plan, maxNewTokens: 24 }).plan(device, q, q);
 * console.log(await sparse.densities()); // 0.18..., 0.73...
 * device.dispose();
 * ```
 * @throws TypeError without a plan; RangeError if an option is out of range or the plan is of another model.
 */
export const moa: Method<MoaOptions, Planner & Selector> & {
  /** Finds the plan of a model; see {@linkcode MoaSample}. */
  calibrate(
    device: Device,
    samples: Iterable<MoaSample> | AsyncIterable<MoaSample>,
    options?: Partial<MoaCalibrateOptions>,
  ): Promise<MoaPlan>;
} = method({
  defaults: { ...MOA_CACHE, layer: 0, blockSize: 64 } as MoaOptions,
  citation: {
    title: "MoA: Mixture of Sparse Attention for Automatic Large Language Model Compression",
    url: "https://arxiv.org/abs/2406.14909",
  },
  planner: (options: MoaOptions) => {
    const spans = check(options);
    const { blockSize } = options;
    const prefill = planner("moa", (d, _q, _k, sizes, _note, layer = options.layer) => {
      const { heads, kvHeads, lq, lk } = sizes;
      const { promptLength = lk } = options;
      const decodes = lk - lq >= promptLength;
      if (!decodes && lk > promptLength) {
        throw new RangeError(
          `Cannot plan moa: queries ${lk - lq} to ${
            lk - 1
          } lie on both sides of the prompt's end at ${promptLength}, plan the parts one by one`,
        );
      }
      const caches = moaCaches(spans, layer, sizes, promptLength, options);
      if (caches.every(({ size }) => size >= lk)) return "dense";
      const own = Array.from({ length: heads }, (_, h) => caches[Math.floor(h * kvHeads / heads)]!);
      const sinkOf = (size: number): number => Math.min(size, options.sinkTokens);
      const blockQ = decodes ? blockSize : alignedRows(lq, lk, blockSize);
      const grid = { lq, lk, blockQ, tileK: blockSize };
      const tiles = blockTiles(d, grid, own.map(({ size }) => size), (size, j, first) => {
        const [sink, window] = [sinkOf(size), size - sinkOf(size)];
        if (decodes) return touchesBand({ sink, window }, blockSize, j, first);
        return j < sink / blockSize || Math.floor(first / blockSize) - j < window / blockSize;
      });
      if (!decodes) return { ...grid, parts: { tiles } };
      return { ...grid, parts: { tiles, band: bands(d, own) } };
    });
    return {
      ...prefill,
      start: (device, { queryHeads, heads, layer = options.layer }) => {
        const caches = (promptLength: number): MoaCache[] =>
          moaCaches(spans, layer, { heads: queryHeads, kvHeads: heads }, promptLength, options);
        // Tells of a plan of another model now rather than in the first step.
        caches(0);
        return fixedSelection(device, {
          key: (length, prompt) => {
            const { promptLength = prompt } = options;
            return caches(promptLength).every(({ size }) => size >= length) ? undefined : promptLength;
          },
          table: (d, promptLength) => ({ band: bands(d, caches(promptLength)) }),
        });
      },
    };
  },
}, { calibrate: calibrateMoa });

/** i32 [heads, 2]: the sink and the ring of every head. */
function bands(d: Device, caches: readonly MoaCache[]): Tensor {
  return table(d, [caches.length, 2], (i) => {
    const { size, sink } = caches[i >> 1]!;
    return i % 2 === 0 ? sink : size - sink;
  });
}

function check(options: MoaOptions): MoaPlan {
  const { plan, layer, sinkTokens, promptLength } = options;
  if (plan === undefined) {
    throw new TypeError(
      `Cannot use moa: "plan" is missing, search one with moa.calibrate() or read an official file`,
    );
  }
  const limits = { layer: 0, maxNewTokens: 0, sinkTokens: 0, split: 1, blockSize: 1 };
  // A ring without a slot would have no place for the newest token.
  checkWhole("moa", options, { ...limits, minimumCache: sinkTokens + 1 });
  if (promptLength !== undefined) checkWhole("moa", options, { promptLength: 0 });
  const spans = parseMoaPlan(plan);
  if (layer < spans.alphas.length) return spans;
  throw new RangeError(
    `Cannot use moa: the plan is of another model, it has ${spans.alphas.length} layers, got layer ${layer}`,
  );
}
