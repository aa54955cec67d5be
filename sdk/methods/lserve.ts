/**
 * LServe: heads that retrieve see everything in the prompt and the best pages after it, the others a sink and a window.
 *
 * @module
 */
import { checkWhole } from "./_check_whole.ts";
import { blockTiles, touchesBand } from "./block_lists.ts";
import { type HeadTable, retrievalHeads } from "./lserve_heads.ts";
import { type LserveDecodeOptions, type LserveSelection, lserveSelection } from "./lserve_selection.ts";
import { type Method, method, type Planner, planner } from "./planner.ts";
import { table } from "./scores.ts";
import type { CacheShape, Selector } from "./selector.ts";
import type { Device } from "../device/device.ts";

/** Options of {@linkcode lserve}; give `headScores` or `headFlags`. */
export interface LserveOptions extends LserveDecodeOptions {
  /** Scores of every layer and key head, high for those that need the whole context; see {@linkcode parseHeadScores}. */
  readonly headScores?: HeadTable | undefined;
  /** 1 for retrieval heads, 0 for streaming heads, of every layer and key head; goes before `headScores`. */
  readonly headFlags?: HeadTable | undefined;
  /** Share of streaming heads in the whole model, where scores decide. @default 0.5 */
  readonly staticSparsity: number;
  /** The layer that is planned, from 0. @default 0 */
  readonly layer: number;
  /** What streaming heads see: first tokens, and last tokens with the query itself. @default { sink: 128, local: 8192 } */
  readonly prefill: { readonly sink: number; readonly local: number };
  /** Tokens per block of the lists of a prompt; does not change what is visible. @default 128 */
  readonly blockSize: number;
  /** Tokens of a page of which retrieval heads read all or nothing. @default 64 */
  readonly page: number;
  /** Parts of a page that have extremes of their own, which rank it; a divisor of `page`. @default 4 */
  readonly logicalPerPage: number;
  /** Tokens that a retrieval head reads per step, at least three pages; with up to so many before the current one it reads all. @default 4096 */
  readonly tokenBudget: number;
  /** Pages are chosen when the tokens before the current one are a multiple of this; in between the choice serves again, with the pages begun since. @default 4 */
  readonly interval: number;
  /** What streaming heads read per step: first tokens, and last tokens with the current one. @default { sink: 128, local: 256 } */
  readonly decode: { readonly sink: number; readonly local: number };
}

/** What {@linkcode lserve} makes. */
export interface LserveSelector extends Planner, Selector {
  /** Begins to follow a cache. */
  start(device: Device, shape: CacheShape): LserveSelection;
}

/**
 * Half of the key heads of a model, chosen once, get along with the first and the last tokens; the others keep dense attention. Query heads follow
 * their key head.
 *
 * Dense up to sink + local keys. Chunks of a prompt (fewer queries than keys) give what the whole prompt gives.
 *
 * Decoding, retrieval heads read the newest page and those that score best: every query head ranks pages by the largest score that a key within the extremes of
 * one of their parts could have. Extremes are those of the keys as they were appended, whatever the cache makes of them.
 *
 * @example
 * ```ts
 * import { openDevice } from "../device/mod.ts";
 * import { lserve } from "./lserve.ts";
 *
 * const device = await openDevice();
 * const q = device.tensor(new Float32Array(2 * 500 * 8), [2, 500, 8]);
 * const planner = lserve({ headScores: [[0.1, 0.9], [0.7, 0.2]], layer: 1, prefill: { sink: 8, local: 64 } });
 * using plan = planner.plan(device, q, q);
 * console.log(await plan.densities()); // 1, 0.26...
 * device.dispose();
 * ```
 * @throws TypeError without scores and flags; RangeError if an option is out of range or heads are those of another model.
 */
export const lserve: Method<LserveOptions, LserveSelector> = method({
  defaults: {
    staticSparsity: 0.5,
    layer: 0,
    prefill: { sink: 128, local: 8192 },
    blockSize: 128,
    page: 64,
    logicalPerPage: 4,
    tokenBudget: 4096,
    interval: 4,
    decode: { sink: 128, local: 256 },
  } as LserveOptions,
  citation: {
    title: "LServe: Efficient Long-sequence LLM Serving with Unified Sparse Attention",
    url: "https://arxiv.org/abs/2502.14866",
  },
  planner: (options: LserveOptions) => {
    const { blockSize, prefill: { sink, local } } = options;
    const flagsOf = read(options);
    const prefill = planner(
      "lserve",
      (d, _q, _k, { heads, kvHeads, lq, lk }, _note, layer = options.layer) => {
        const flags = flagsOf(layer, kvHeads);
        if (lk <= sink + local || !flags.includes(0)) return "dense";
        const own = Array.from({ length: heads }, (_, h) => flags[Math.floor(h * kvHeads / heads)]!);
        const grid = { lq, lk, blockQ: blockSize, tileK: blockSize };
        const lambda = { sink, window: local };
        const tiles = blockTiles(d, grid, own, (flag, j, first) => {
          return flag === 1 || touchesBand(lambda, blockSize, j, first);
        });
        // A window of all keys hides nothing from retrieval heads.
        const band = table(d, [heads, 2], (i) => i % 2 === 0 ? sink : own[i >> 1] === 1 ? lk : local);
        return { ...grid, parts: { tiles, band } };
      },
    );
    return {
      ...prefill,
      start: (device, shape) =>
        lserveSelection(device, shape, flagsOf(shape.layer ?? options.layer, shape.heads), options),
    };
  },
});

/** Checks options; returns what gives the flags of a layer with so many key heads. */
function read(options: LserveOptions): (layer: number, heads: number) => readonly number[] {
  const { headFlags, headScores, staticSparsity, page, logicalPerPage } = options;
  const counts = { layer: 0, blockSize: 1, page: 1, logicalPerPage: 1, tokenBudget: 1, interval: 1 };
  checkWhole("lserve", options, counts);
  checkWhole("lserve", options.prefill, { sink: 0, local: 1 });
  checkWhole("lserve", options.decode, { sink: 0, local: 1 });
  if (page % logicalPerPage !== 0) {
    throw new RangeError(
      `Cannot use lserve: "logicalPerPage" is ${logicalPerPage}, expected a divisor of "page" ${page}`,
    );
  }
  const given = headFlags ?? headScores;
  if (!given) {
    throw new TypeError(
      `Cannot use lserve: neither "headScores" nor "headFlags" is given, read the scores of the model with parseHeadScores()`,
    );
  }
  const width = given[0]?.length;
  if (given.some((row) => row.length !== width || !row.every(Number.isFinite))) {
    throw new RangeError(
      `Cannot use lserve: heads must be a table of numbers, one row of equal length per layer`,
    );
  }
  if (headFlags && !headFlags.every((row) => row.every((flag) => flag === 0 || flag === 1))) {
    throw new RangeError(`Cannot use lserve: "headFlags" has other numbers than 0 and 1`);
  }
  if (Number.isNaN(staticSparsity)) {
    throw new RangeError(`Cannot use lserve: "staticSparsity" is ${staticSparsity}, expected a share`);
  }
  const all = headFlags ?? retrievalHeads(given, staticSparsity);
  const flagsOf = (layer: number): readonly number[] => {
    const flags = all[layer];
    if (flags) return flags;
    throw new RangeError(`Cannot use lserve: there is no layer ${layer} in scores of ${all.length} layers`);
  };
  flagsOf(options.layer);
  return (layer, heads) => {
    const flags = flagsOf(layer);
    if (flags.length === heads) return flags;
    throw new RangeError(
      `Cannot use lserve: the scores are for ${flags.length} key heads but the model has ${heads}, give those of this model`,
    );
  };
}
