/**
 * SparseD: sparse attention for diffusion language models; one pattern per head serves all later denoising steps.
 *
 * Wang et al., 2025, https://arxiv.org/abs/2509.24014.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { checkWhole } from "./_check_whole.ts";
import { type Method, method, type Planner } from "./planner.ts";
import { sparseDPlanner } from "./sparse_d_plan.ts";
import { type SparseDSchedule, sparseDSchedule } from "./sparse_d_schedule.ts";
import { SparseDSession } from "./sparse_d_session.ts";

/** Options of {@linkcode sparseD}; the defaults are those of the official scripts for long contexts. */
export interface SparseDOptions {
  /** Queries and keys per block; 32 for short contexts. @default 128 */
  readonly blockSize: number;
  /** Share of the key blocks that every query block keeps, above 0, at most 1; 0.5 for short contexts. @default 0.3 */
  readonly select: number;
  /** Generated tokens, the last ones of the sequence. @default 128 */
  readonly genLen: number;
  /** Share of the steps that stays dense, from 0 to 1. @default 0.2 */
  readonly skip: number;
  /** Denoising steps of the whole generation, those of all answer blocks together. @default 128 */
  readonly steps: number;
}

/** Plans one step, or serves a whole generation. */
export interface SparseDPlanner extends Planner {
  /** Which steps are dense, and which one makes the plan. */
  readonly schedule: SparseDSchedule;
  /**
   * Begins to serve one sequence; with guidance each pass has its own.
   *
   * @param device Receives the plans.
   */
  session(device: Device): SparseDSession;
}

/**
 * Plans SparseD.
 *
 * Every query block keeps the key blocks with most attention. The blocks of the prompt are chosen by their share of all attention, those of the
 * generated tokens by their share of what falls on generated tokens, so that a long prompt leaves them their part. Plans see both directions.
 *
 * `plan(device, q, k)` plans by one step's queries and keys; `session(device)` runs the whole schedule: dense first, then one plan per layer.
 *
 * @example
 * ```ts
 * import { openDevice, sparseD } from "../../mod.ts";
 *
 * const device = await openDevice();
 * const x = device.tensor(new Float32Array(4 * 256 * 16), [4, 256, 16]); // in earnest: q, k, v of every step and layer
 * using session = sparseD({ blockSize: 32, genLen: 64, steps: 10 }).session(device);
 * console.log(session.schedule.report);
 * for (let step = 0; step < 10; step++) {
 *   const { out, kind } = session.attend(device, x, x, x, { step, layer: 0 });
 *   console.log(kind, out.shape);
 * }
 * device.dispose();
 * ```
 * @throws RangeError if an option is out of range; at planning, if there are not as many queries as keys.
 */
export const sparseD: Method<SparseDOptions, SparseDPlanner> = method({
  defaults: { blockSize: 128, select: 0.3, genLen: 128, skip: 0.2, steps: 128 },
  citation: {
    title: "SparseD: Sparse Attention for Diffusion Language Models",
    url: "https://arxiv.org/abs/2509.24014",
  },
  planner(options: SparseDOptions): SparseDPlanner {
    checkWhole("sparseD", options, { blockSize: 1, genLen: 1 });
    if (!(options.select > 0 && options.select <= 1)) {
      throw new RangeError(
        `Cannot use sparseD: "select" is ${options.select}, expected a number above 0, at most 1`,
      );
    }
    return {
      ...sparseDPlanner(options),
      schedule: sparseDSchedule(options.steps, options.skip),
      session: (device) => new SparseDSession(device, options),
    };
  },
});
