/**
 * Local search over what layers may choose.
 *
 * @module
 */
import { breathe } from "../device/breathe.ts";
import { SLACK } from "./moa_exact.ts";
import type { MoaTables } from "./moa_rules.ts";

/** One way to give the heads of a layer rules. */
export interface LayerChoice {
  /** [heads] indices of rules. */
  readonly rules: Int32Array<ArrayBuffer>;
  /** Weighted sum of the hidden importances. */
  readonly value: number;
  /** Tokens at every bounded length. */
  readonly cost: readonly number[];
}

/** How good a plan is: violation first. */
export interface PlanRank {
  /** By how much bounds are missed, in shares of them; 0 within the slack. */
  readonly violation: number;
  readonly value: number;
  /** Tokens at every bounded length. */
  readonly used: readonly number[];
}

/** How good a plan of one choice per layer is. */
export function rankOf(plan: readonly LayerChoice[], tables: MoaTables): PlanRank {
  const used = tables.upper.map((_, l) => plan.reduce((sum, choice) => sum + choice.cost[l]!, 0));
  return {
    violation: missed(used, tables),
    value: plan.reduce((sum, choice) => sum + choice.value, 0),
    used,
  };
}

/**
 * Changes one or two layers at a time, each time in the best way, until nothing helps.
 *
 * @param start One choice per layer.
 * @param choices Of every layer, those that it may take.
 */
export async function exchange(
  start: readonly LayerChoice[],
  choices: readonly (readonly LayerChoice[])[],
  tables: MoaTables,
  signal?: AbortSignal,
): Promise<LayerChoice[]> {
  const plan = [...start];
  for (;;) {
    let { violation, value, used } = rankOf(plan, tables);
    let move: readonly [layer: number, choice: LayerChoice][] = [];
    // Improvements below this are noise of the sums, and could go round in circles.
    const least = 1e-12 * Math.abs(value);
    const consider = (tokens: readonly number[], lost: number, change: typeof move): void => {
      if (violation === 0 && lost >= value - least) return;
      const own = missed(tokens, tables);
      if (own > violation || own === violation && lost >= value - least) return;
      [violation, value, move] = [own, lost, change];
    };
    const base = value;
    const changed = plan.map((now, layer) =>
      choices[layer]!.filter((choice) => choice !== now).map((choice) => ({
        choice,
        lost: choice.value - now.value,
        tokens: choice.cost.map((sum, l) => sum - now.cost[l]!),
      }))
    );
    changed.forEach((firsts, a) => {
      for (const one of firsts) {
        const tokens = used.map((sum, l) => sum + one.tokens[l]!);
        consider(tokens, base + one.lost, [[a, one.choice]]);
        for (let b = a + 1; b < plan.length; b++) {
          for (const two of changed[b]!) {
            if (violation === 0 && base + one.lost + two.lost >= value - least) continue;
            const both = tokens.map((sum, l) => sum + two.tokens[l]!);
            consider(both, base + one.lost + two.lost, [[a, one.choice], [b, two.choice]]);
          }
        }
      }
    });
    if (move.length === 0) return plan;
    for (const [layer, choice] of move) plan[layer] = choice;
    await breathe();
    signal?.throwIfAborted();
  }
}

function missed(used: readonly number[], { upper, lower }: MoaTables): number {
  return used.reduce((sum, tokens, l) => {
    const over = Math.max(tokens - upper[l]!, lower[l]! - tokens);
    return over > SLACK ? sum + over / upper[l]! : sum;
  }, 0);
}
