/**
 * AdaSpa: block-sparse attention for video diffusion transformers, found by an exact search at a few denoising steps.
 *
 * Xia et al., 2025, https://arxiv.org/abs/2502.21079.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import type { Tensor } from "../device/tensor.ts";
import { checkWhole } from "./_check_whole.ts";
import { checkSearchSteps } from "./ada_spa_schedule.ts";
import { type AdaSpaFound, adaSpaPlanner, adaSpaSearch } from "./ada_spa_search.ts";
import { AdaSpaSession } from "./ada_spa_session.ts";
import { type Method, method, type Planner } from "./planner.ts";

/** Options of {@linkcode adaSpa}; the defaults are those of the paper. */
export interface AdaSpaOptions {
  /** Share of the video's key blocks that a row leaves out, mean over heads; from 0 to 1. @default 0.8 */
  readonly sparsity: number;
  /** Queries and keys per block. @default 64 */
  readonly blockSize: number;
  /** The steps that search, counted from 1, ascending; up to the first one steps are dense. @default [10, 30] */
  readonly searchSteps: readonly number[];
  /** A head whose plan keeps more than this share of the mass may leave out more. @default 0.8 */
  readonly goodRecall: number;
  /** Tokens of text; blocks that hold one are seen whole, and see everything. @default 0 */
  readonly textLen: number;
  /** Where the text is. @default "end" */
  readonly textAt: "start" | "end";
  /** Whether heads get their own sparsity by their recall. @default true */
  readonly adaptHeads: boolean;
  /** Whether later searches use the log-sum-exp of the first one, which saves a pass over q and k. @default true */
  readonly cacheLse: boolean;
}

/** Plans one step, or serves a whole generation. */
export interface AdaSpaPlanner extends Planner {
  /**
   * Searches with a log-sum-exp that the caller has: that of this step, or for a cheaper search that of an earlier one.
   *
   * @param device Receives what is found.
   * @param lse [Hq, L], of `attention(..., { lse: true })`.
   */
  search(device: Device, q: Tensor, k: Tensor, lse: Tensor): AdaSpaFound;
  /**
   * Begins to serve one sequence; with guidance each pass has its own.
   *
   * @param device Receives the plans.
   */
  session(device: Device): AdaSpaSession;
}

/**
 * Plans AdaSpa.
 *
 * A search sums the attention weights of every block exactly; each row of blocks keeps its largest. Heads whose plan holds most of the mass then
 * leave out half of what they kept, and as many heads that hold least keep more. Plans see both directions.
 *
 * `plan(device, q, k)` searches by one step's queries and keys; `session(device)` runs the whole schedule: dense first, one search that costs a pass
 * over q and k, later ones by the first one's log-sum-exp.
 *
 * @example
 * ```ts
 * import { adaSpa, openDevice } from "../../mod.ts";
 *
 * const device = await openDevice();
 * const x = device.tensor(new Float32Array(4 * 256 * 16), [4, 256, 16]); // in earnest: q, k, v of every step and layer
 * using session = adaSpa({ blockSize: 16, searchSteps: [2, 5], textLen: 10 }).session(device);
 * for (let step = 0; step < 8; step++) {
 *   const { out, kind } = session.attend(device, x, x, x, { step, layer: 0 });
 *   console.log(kind, out.shape);
 * }
 * console.log(await session.warnings()); // these maps are even
 * device.dispose();
 * ```
 * @throws RangeError if an option is out of range; at planning, if there are not as many queries as keys, or the text is longer than the sequence.
 */
export const adaSpa: Method<AdaSpaOptions, AdaSpaPlanner> = method({
  defaults: {
    sparsity: 0.8,
    blockSize: 64,
    searchSteps: [10, 30],
    goodRecall: 0.8,
    textLen: 0,
    textAt: "end",
    adaptHeads: true,
    cacheLse: true,
  },
  citation: {
    title: "Training-free and Adaptive Sparse Attention for Efficient Long Video Generation",
    url: "https://arxiv.org/abs/2502.21079",
  },
  planner(options: AdaSpaOptions): AdaSpaPlanner {
    check(options);
    return {
      ...adaSpaPlanner(options),
      search: (device, q, k, lse) => adaSpaSearch(device, q, k, lse, options),
      session: (device) => new AdaSpaSession(device, options),
    };
  },
});

function check(options: AdaSpaOptions): void {
  checkWhole("adaSpa", options, { blockSize: 1, textLen: 0 });
  checkSearchSteps(options.searchSteps);
  for (const name of ["sparsity", "goodRecall"] as const) {
    if (!(options[name] >= 0 && options[name] <= 1)) {
      throw new RangeError(`Cannot use adaSpa: "${name}" is ${options[name]}, expected a number from 0 to 1`);
    }
  }
  if (options.textAt !== "start" && options.textAt !== "end") {
    throw new RangeError(`Cannot use adaSpa: "textAt" is "${options.textAt}", expected "start" or "end"`);
  }
}
