/**
 * Which denoising steps SparseD leaves dense.
 *
 * @module
 */
import { checkWhole } from "./_check_whole.ts";

/** What a step does: everything, everything and then the plan, or what the plan says. */
export type SparseDStep = "dense" | "dense + plan" | "sparse";

/** The steps of a generation. */
export interface SparseDSchedule {
  /** What every step does, from step 0. */
  readonly steps: readonly SparseDStep[];
  /** The step that makes the plans; `undefined` where no later step would use them. */
  readonly planStep: number | undefined;
  /** The same as a sentence. */
  readonly report: string;
}

/**
 * Splits the steps of a generation: a first share stays dense, the step after it is dense too and makes the plans, the others use them.
 *
 * @param steps Denoising steps of the whole generation, those of all answer blocks together; at least 1.
 * @param skip Share of the steps that stays dense, from 0 to 1. @default 0.2
 * @example
 * ```ts
 * import { sparseDSchedule } from "./sparse_d_schedule.ts";
 *
 * console.log(sparseDSchedule(10).planStep); // 3: steps 0 to 3 are dense, 4 to 9 sparse
 * ```
 * @throws RangeError if there are no steps, or the share is out of range.
 */
export function sparseDSchedule(steps: number, skip: number = 0.2): SparseDSchedule {
  checkWhole("sparseD", { steps }, { steps: 1 });
  if (!(skip >= 0 && skip <= 1)) {
    throw new RangeError(`Cannot use sparseD: "skip" is ${skip}, expected a number from 0 to 1`);
  }
  const last = Math.floor(steps * skip) + 1;
  if (last >= steps - 1) {
    return {
      steps: new Array<SparseDStep>(steps).fill("dense"),
      planStep: undefined,
      report: `All ${steps} steps are dense: with skip ${skip} none is left that would use a plan`,
    };
  }
  return {
    steps: Array.from({ length: steps }, (_, i) => i < last ? "dense" : i > last ? "sparse" : "dense + plan"),
    planStep: last,
    report: `Steps 0 to ${last} are dense, step ${last} makes the plans, steps ${last + 1} to ${
      steps - 1
    } use them`,
  };
}
