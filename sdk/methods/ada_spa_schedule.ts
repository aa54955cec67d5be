/**
 * Which denoising steps AdaSpa leaves dense, and which ones search.
 *
 * @module
 */
import { checkWhole } from "./_check_whole.ts";

/** What a step does: everything, everything and then a search, a search and then what it found, or what the last search found. */
export type AdaSpaStep = "dense" | "dense + search" | "search + sparse" | "sparse";

/**
 * What every step of a generation does, from step 0.
 *
 * @param steps Denoising steps, at least 1.
 * @param searchSteps The steps that search, counted from 1 as published, ascending; up to the first one steps are dense. @default [10, 30]
 * @example
 * ```ts
 * import { adaSpaSchedule } from "./ada_spa_schedule.ts";
 *
 * console.log(adaSpaSchedule(5, [2, 4])); // dense, dense + search, sparse, search + sparse, sparse
 * ```
 * @throws RangeError if there are no steps, or the search steps are not ascending.
 */
export function adaSpaSchedule(steps: number, searchSteps: readonly number[] = [10, 30]): AdaSpaStep[] {
  checkWhole("adaSpa", { steps }, { steps: 1 });
  checkSearchSteps(searchSteps);
  return Array.from({ length: steps }, (_, i) => adaSpaStep(i, searchSteps));
}

/** What a step does; it counts from 0, search steps from 1. */
export function adaSpaStep(step: number, searchSteps: readonly number[]): AdaSpaStep {
  const first = searchSteps[0]!;
  if (step + 1 < first) return "dense";
  if (step + 1 === first) return "dense + search";
  return searchSteps.includes(step + 1) ? "search + sparse" : "sparse";
}

/** Refuses search steps that are not whole, at least 1 and ascending. */
export function checkSearchSteps(searchSteps: readonly number[]): void {
  const fits = Array.isArray(searchSteps) && searchSteps.length > 0 &&
    searchSteps.every((step, i) => Number.isSafeInteger(step) && step > (searchSteps[i - 1] ?? 0));
  if (!fits) {
    throw new RangeError(
      `Cannot use adaSpa: "searchSteps" is [${searchSteps}], expected at least one whole number from 1, ascending`,
    );
  }
}
