/**
 * LServe: heads that retrieve see everything, the others a sink and a window. The prefill part.
 *
 * @module
 */
import { checkWhole } from "./_check_whole.ts";
import { blockTiles, touchesBand } from "./block_lists.ts";
import { type HeadTable, retrievalHeads } from "./lserve_heads.ts";
import { type Method, method, planner } from "./planner.ts";
import { table } from "./scores.ts";

/** Options of {@linkcode lserve}; give `headScores` or `headFlags`. */
export interface LserveOptions {
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
  /** Tokens per block of the lists; does not change what is visible. @default 128 */
  readonly blockSize: number;
}

/**
 * Half of the key heads of a model, chosen once, get along with the first and the last tokens; the others keep dense attention. Query heads follow
 * their key head.
 *
 * Dense up to sink + local keys. Chunks of a prompt (fewer queries than keys) give what the whole prompt gives.
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
export const lserve: Method<LserveOptions> = method({
  defaults: {
    staticSparsity: 0.5,
    layer: 0,
    prefill: { sink: 128, local: 8192 },
    blockSize: 128,
  } as LserveOptions,
  citation: {
    title: "LServe: Efficient Long-sequence LLM Serving with Unified Sparse Attention",
    url: "https://arxiv.org/abs/2502.14866",
  },
  planner: (options: LserveOptions) => {
    const { blockSize, prefill: { sink, local } } = options;
    checkWhole("lserve", options, { layer: 0, blockSize: 1 });
    checkWhole("lserve", options.prefill, { sink: 0, local: 1 });
    const flags = flagsOf(options);
    return planner("lserve", (d, _q, _k, { heads, kvHeads, lq, lk }) => {
      if (flags.length !== kvHeads) {
        throw new RangeError(
          `Cannot plan lserve: the scores are for ${flags.length} key heads but the model has ${kvHeads}, give those of this model`,
        );
      }
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
    });
  },
});

/** The flags of the layer that is planned. */
function flagsOf({ headFlags, headScores, staticSparsity, layer }: LserveOptions): readonly number[] {
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
  if (layer >= given.length) {
    throw new RangeError(`Cannot use lserve: there is no layer ${layer} in scores of ${given.length} layers`);
  }
  if (headFlags) {
    if (headFlags.every((row) => row.every((flag) => flag === 0 || flag === 1))) return headFlags[layer]!;
    throw new RangeError(`Cannot use lserve: "headFlags" has other numbers than 0 and 1`);
  }
  if (Number.isNaN(staticSparsity)) {
    throw new RangeError(`Cannot use lserve: "staticSparsity" is ${staticSparsity}, expected a share`);
  }
  return retrievalHeads(given, staticSparsity)[layer]!;
}
