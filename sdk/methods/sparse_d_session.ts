/**
 * One generation with SparseD.
 *
 * @module
 */
import { attention } from "../attention/attention.ts";
import type { Plan } from "../attention/plan.ts";
import type { Device } from "../device/device.ts";
import type { Tensor } from "../device/tensor.ts";
import { type DenoisingPlace, GenerationState } from "./generation_state.ts";
import type { SparseDOptions } from "./sparse_d.ts";
import { sparseDPlanner } from "./sparse_d_plan.ts";
import { type SparseDSchedule, sparseDSchedule, type SparseDStep } from "./sparse_d_schedule.ts";

/** What a step gives. */
export interface SparseDResult {
  /** [Hq, L, D]; belongs to the device that was given. */
  readonly out: Tensor;
  /** What was done. */
  readonly kind: SparseDStep;
  /** The plan that was made or used; belongs to the session. */
  readonly plan?: Plan;
}

/** Attention of one sequence over all steps of a generation: keeps one plan per layer, and forgets it at step 0. */
export class SparseDSession implements Disposable {
  /** What every step does. */
  readonly schedule: SparseDSchedule;
  readonly #device: Device;
  readonly #options: SparseDOptions;
  readonly #plans = new GenerationState<Plan>("sparseD");

  /** Use `sparseD(...).session(device)`. */
  constructor(device: Device, options: SparseDOptions) {
    this.#device = device;
    this.#options = options;
    this.schedule = sparseDSchedule(options.steps, options.skip);
  }

  /**
   * Attention of one layer at one step.
   *
   * @param d Receives the result.
   * @param q [Hq, L, D].
   * @param k [Hkv, L, D].
   * @param v As `k`.
   * @throws RangeError if the step is not one of the schedule, the length changed since step 0, or the step that makes the plan was left out.
   */
  attend(d: Device, q: Tensor, k: Tensor, v: Tensor, { step, layer = 0 }: DenoisingPlace): SparseDResult {
    const { steps, planStep } = this.schedule;
    const kept = this.#plans.enter(layer, step, q.shape[1]!);
    const kind = steps[step];
    if (!kind) {
      throw new RangeError(`Cannot go on with sparseD: step ${step} is past the ${steps.length} steps`);
    }
    if (kind === "dense") return { out: attention(d, q, k, v).out, kind };
    if (kind === "sparse") {
      if (!kept) {
        throw new RangeError(
          `Cannot go on with sparseD: layer ${layer} has no plan at step ${step}, run step ${planStep} first`,
        );
      }
      return { out: attention(d, q, k, v, { plan: kept }).out, kind, plan: kept };
    }
    const { out, lse } = attention(d, q, k, v, { lse: true });
    const plan = this.#plans.set(layer, sparseDPlanner(this.#options, lse).plan(this.#device, q, k));
    lse.dispose();
    return { out, kind, plan };
  }

  /** Frees the plans. */
  [Symbol.dispose](): void {
    this.#plans[Symbol.dispose]();
  }
}
