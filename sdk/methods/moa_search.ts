/**
 * The search for a plan: rules for all heads that hide little and keep to a density at every length.
 *
 * @module
 */
import { checkWhole } from "./_check_whole.ts";
import { exactFront, paretoFront } from "./moa_exact.ts";
import { lagrangePlans } from "./moa_lagrange.ts";
import type { MoaPlan } from "./moa_plan.ts";
import { type MoaImportance, type MoaRule, type MoaRuleOptions, moaTables } from "./moa_rules.ts";

/** Options of {@linkcode searchPlan}. */
export interface MoaSearchOptions extends MoaRuleOptions {
  /** Most different rules in a layer. @default 2 */
  readonly rulesPerLayer: number;
  /** Partial plans that the exact search may hold before the approximate one takes over; 0 for that at once. @default 20000 */
  readonly exactLimit: number;
  /** Ends the search early. */
  readonly signal?: AbortSignal | undefined;
}

/** A plan that no other one beats at every profiled length. */
export interface MoaCandidate {
  /** Rules as spans. */
  readonly plan: MoaPlan;
  /** Rules as indices, [layers * heads]. */
  readonly assignment: Int32Array<ArrayBuffer>;
  /** Importance that is hidden at every profiled length, ascending lengths. */
  readonly loss: readonly number[];
}

/** What {@linkcode searchPlan} finds. */
export interface MoaFront {
  /** What the search chose from. */
  readonly rules: readonly MoaRule[];
  /** By loss at the shortest length, then at the next; at least one. */
  readonly candidates: readonly MoaCandidate[];
  /** Whether this is the whole front; else plans near it. */
  readonly exact: boolean;
}

/** The official settings of the search. */
export const MOA_SEARCH: MoaSearchOptions = {
  extendLengths: [16384],
  outputLengths: [],
  density: 0.5,
  lowerRatio: 0.9,
  blockSize: 64,
  rulesPerLayer: 2,
  exactLimit: 20_000,
};

/**
 * Finds the plans that hide the least importance within a density.
 *
 * Where a model is small the front is exact; else plans are found by Lagrangian relaxation and exchange, each near-optimal for a weighting of the lengths.
 *
 * @param importance One per profiled length.
 * @throws RangeError if importances do not fit each other, or if nothing keeps to the density; the reason of the signal if it is aborted.
 */
export async function searchPlan(
  importance: readonly MoaImportance[],
  options: Partial<MoaSearchOptions> = {},
): Promise<MoaFront> {
  const all = { ...MOA_SEARCH, ...options };
  checkWhole("searchPlan", all, { rulesPerLayer: 1, exactLimit: 0 });
  const { rulesPerLayer, exactLimit, signal } = all;
  const tables = moaTables(importance, all);
  const exact = exactLimit > 0 ? await exactFront(tables, rulesPerLayer, exactLimit, signal) : undefined;
  const front = exact ?? paretoFront(await lagrangePlans(tables, rulesPerLayer, signal));
  if (front.length === 0) {
    throw new RangeError(
      `Cannot find a MoA plan: nothing was found that holds ${
        all.lowerRatio * all.density
      } to ${all.density} of all tokens at ${
        tables.lengths.join(", ")
      } tokens, widen the bounds or the rules`,
    );
  }
  const { rules, layers, heads } = tables;
  const spans = (assignment: Int32Array, of: (rule: MoaRule) => number): number[][] =>
    Array.from(
      { length: layers },
      (_, layer) => Array.from(assignment.subarray(layer * heads, (layer + 1) * heads), (r) => of(rules[r]!)),
    );
  return {
    rules,
    exact: exact !== undefined,
    candidates: front.map(({ rules: assignment, loss }) => ({
      assignment,
      loss,
      plan: {
        alphas: spans(assignment, (rule) => rule.alpha),
        betas: spans(assignment, (rule) => rule.beta),
      },
    })),
  };
}
