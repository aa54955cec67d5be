/**
 * Near-optimal plans of real models: prices for tokens turn the bounds into costs, so that every layer can be decided alone.
 *
 * @module
 */
import { breathe } from "../device/breathe.ts";
import { exchange, type LayerChoice, rankOf } from "./moa_exchange.ts";
import type { Assignment } from "./moa_exact.ts";
import type { MoaTables } from "./moa_rules.ts";

/** Prices that are tried for every weighting of the objectives. */
const ROUNDS = 120;
/** Ways to decide a layer that the exchange may choose from. */
const CHOICES = 24;
/** Parts that a weighting shares out among the objectives. */
const PARTS = 4;
/** Share of objectives that a weighting leaves out. */
const LITTLE = 1e-3;

/**
 * Searches plans within the bounds for several weightings of the objectives.
 *
 * At given prices the best rules of a layer are found over all pairs of rules (more are added greedily). Prices follow the violation of the bounds
 * (each by a step of its own, which shrinks when it turns). What the layers chose on the way is then exchanged in one or two layers at a time while that helps.
 *
 * @returns One for every weighting that found something within the bounds.
 */
export async function lagrangePlans(
  tables: MoaTables,
  rulesPerLayer: number,
  signal?: AbortSignal,
): Promise<Assignment[]> {
  const { layers, loss, upper, lower } = tables;
  const found: Assignment[] = [];
  for (const shares of weightings(loss.length, PARTS)) {
    // A little of every objective, so that equals in one are told apart by the others.
    const weights = shares.map((share, o) => (share + LITTLE) / spreadOf(loss[o]!, tables.rules.length));
    const pools = Array.from({ length: layers }, () => new Map<string, LayerChoice>());
    const prices = upper.map(() => 0);
    const steps = upper.map(() => 0.1);
    const signs = upper.map(() => 0);
    let best = { plan: [] as readonly LayerChoice[], violation: Infinity, value: Infinity };
    for (let round = 0; round < ROUNDS; round++) {
      const plan = pools.map((pool, layer) => {
        const choice = decideLayer(tables, layer, weights, prices, rulesPerLayer);
        const key = choice.rules.join();
        // The latest last: those of the prices that the search settles on.
        pool.delete(key);
        pool.set(key, choice);
        return choice;
      });
      const rank = rankOf(plan, tables);
      if (rank.violation < best.violation || rank.violation === best.violation && rank.value < best.value) {
        best = { plan, ...rank };
      }
      rank.used.forEach((tokens, l) => {
        const sign = Math.sign(pull(prices[l]!, tokens, lower[l]!, upper[l]!));
        steps[l] = Math.min(1, steps[l]! * (sign * signs[l]! < 0 ? 0.5 : 1.2));
        signs[l] = sign;
        const price = prices[l]! + sign * steps[l]!;
        // A price that changes its sign stops at 0, where neither bound binds.
        prices[l] = price * prices[l]! < 0 ? 0 : price;
      });
      await breathe();
      signal?.throwIfAborted();
    }
    const choices = pools.map((pool) => [...pool.values()].slice(-CHOICES));
    const plan = await exchange(best.plan, choices, tables, signal);
    if (rankOf(plan, tables).violation === 0) found.push(assignmentOf(plan, tables));
  }
  return found;
}

/** Where a price should go: up where too many tokens are used, down where too few; a price that is not 0 wants its bound met. */
function pull(price: number, tokens: number, lower: number, upper: number): number {
  if (price > 0) return tokens - upper;
  if (price < 0) return tokens - lower;
  return Math.max(0, tokens - upper) + Math.min(0, tokens - lower);
}

/** All ways to share out `parts` equal parts, as fractions. */
function weightings(objectives: number, parts: number): number[][] {
  const share = (left: number, open: number): number[][] =>
    open === 1
      ? [[left / parts]]
      : Array.from({ length: left + 1 }, (_, own) =>
        share(left - own, open - 1).map((rest) => [own / parts, ...rest]))
        .flat();
  return share(parts, objectives);
}

/** What is between the worst and the best rules of all bags: brings objectives to one scale. */
function spreadOf(loss: Float64Array, rules: number): number {
  let spread = 0;
  for (let at = 0; at < loss.length; at += rules) {
    const own = loss.subarray(at, at + rules);
    spread += Math.max(...own) - Math.min(...own);
  }
  return spread || 1;
}

/** The best rules of a layer at given prices. */
function decideLayer(
  { heads, rules, loss, cost, upper }: MoaTables,
  layer: number,
  weights: readonly number[],
  prices: readonly number[],
  rulesPerLayer: number,
): LayerChoice {
  const count = rules.length;
  const at = (h: number, r: number): number => (layer * heads + h) * count + r;
  const values = rules.map((_, r) => {
    const price = prices.reduce((sum, one, l) => sum + one * cost[l]![r]! / upper[l]!, 0);
    return Float64Array.from(
      { length: heads },
      (_, h) => weights.reduce((sum, weight, o) => sum + weight * loss[o]![at(h, r)]!, price),
    );
  });
  const chosen = bestRules(values, rulesPerLayer);
  const own = Int32Array.from(
    { length: heads },
    (_, h) => chosen.reduce((best, r) => values[r]![h]! < values[best]![h]! ? r : best),
  );
  return {
    rules: own,
    value: own.reduce(
      (sum, r, h) => weights.reduce((all, weight, o) => all + weight * loss[o]![at(h, r)]!, sum),
      0,
    ),
    cost: cost.map((of) => own.reduce((sum, r) => sum + of[r]!, 0)),
  };
}

/** The rules of which heads may take their best: the best one or pair, then greedily more. */
function bestRules(values: readonly Float64Array[], most: number): number[] {
  const sumWith = (floor: Float64Array, own: Float64Array): number => {
    let sum = 0;
    for (let h = 0; h < own.length; h++) sum += Math.min(floor[h]!, own[h]!);
    return sum;
  };
  let best = Infinity;
  let chosen: number[] = [];
  values.forEach((first, a) => {
    // With itself a rule is the best single one.
    const last = most > 1 ? values.length : a + 1;
    for (let b = a; b < last; b++) {
      const sum = sumWith(first, values[b]!);
      if (sum < best) [best, chosen] = [sum, a === b ? [a] : [a, b]];
    }
  });
  while (chosen.length < most) {
    const floor = values[0]!.map((_, h) => Math.min(...chosen.map((r) => values[r]![h]!)));
    const sums = values.map((own) => sumWith(floor, own));
    const next = sums.reduce((at, sum, r) => sum < sums[at]! ? r : at, 0);
    if (!(sums[next]! < best)) break;
    best = sums[next]!;
    chosen.push(next);
  }
  return chosen;
}

function assignmentOf(plan: readonly LayerChoice[], { rules, loss }: MoaTables): Assignment {
  const all = Int32Array.from(plan.flatMap((choice) => [...choice.rules]));
  const lost = loss.map((own) => all.reduce((sum, r, bag) => sum + own[bag * rules.length + r]!, 0));
  return { rules: all, loss: lost };
}
