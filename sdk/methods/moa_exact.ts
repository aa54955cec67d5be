/**
 * The exact Pareto front of small searches.
 *
 * @module
 */
import { breathe } from "../device/breathe.ts";
import type { MoaTables } from "./moa_rules.ts";

/** One way to give every bag a rule. */
export interface Assignment {
  /** [bags] indices of rules. */
  readonly rules: Int32Array<ArrayBuffer>;
  /** Hidden importance of all bags at every profiled length. */
  readonly loss: readonly number[];
}

/** What may be missing to a bound: sums of float64 numbers are not exact. */
export const SLACK = 1e-9;

/** The first bags with their rules. */
interface Prefix {
  readonly before: Prefix | undefined;
  readonly rule: number;
  /** Distinct rules of the layer so far, ascending. */
  readonly distinct: readonly number[];
  readonly loss: readonly number[];
  readonly cost: readonly number[];
}

/**
 * Extends partial assignments bag by bag and drops those that another one with the same costs makes needless, or that cannot meet the bounds.
 *
 * @param rulesPerLayer Most distinct rules in a layer.
 * @param limit Most partial assignments to hold.
 * @returns The front, by loss; of assignments that lose the same the lexicographically first. Nothing if the limit was passed.
 */
export async function exactFront(
  tables: MoaTables,
  rulesPerLayer: number,
  limit: number,
  signal?: AbortSignal,
): Promise<Assignment[] | undefined> {
  const { layers, heads, rules, loss, cost, lower, upper } = tables;
  const bags = layers * heads;
  const least = cost.map((own) => Math.min(...own));
  const most = cost.map((own) => Math.max(...own));
  let open: Prefix[] = [{
    before: undefined,
    rule: -1,
    distinct: [],
    loss: loss.map(() => 0),
    cost: cost.map(() => 0),
  }];
  for (let bag = 0; bag < bags; bag++) {
    const left = bags - 1 - bag;
    const groups = new Map<string, Prefix[]>();
    let next: Prefix[] = [];
    for (const before of open) {
      for (let rule = 0; rule < rules.length; rule++) {
        const distinct = before.distinct.includes(rule)
          ? before.distinct
          : [...before.distinct, rule].sort((a, b) => a - b);
        const total = before.cost.map((sum, l) => sum + cost[l]![rule]!);
        const fits = distinct.length <= rulesPerLayer &&
          total.every((sum, l) =>
            sum + left * least[l]! <= upper[l]! + SLACK && sum + left * most[l]! >= lower[l]! - SLACK
          );
        if (!fits) continue;
        const lost = before.loss.map((sum, o) => sum + loss[o]![bag * rules.length + rule]!);
        // Rules of a finished layer no longer matter.
        const kept = (bag + 1) % heads === 0 ? [] : distinct;
        const child = { before, rule, distinct: kept, loss: lost, cost: total };
        const key = `${kept} ${total}`;
        const group = groups.get(key) ?? [];
        if (group.some((other) => atMost(other.loss, lost))) continue;
        groups.set(key, [...group.filter((other) => !atMost(lost, other.loss)), child]);
        next.push(child);
      }
      if (next.length > 2 * limit) {
        next = alive(next, groups);
        if (next.length > limit) return undefined;
        await breathe();
        signal?.throwIfAborted();
      }
    }
    open = alive(next, groups);
    await breathe();
    signal?.throwIfAborted();
  }
  return paretoFront(open.map((end) => ({ rules: rulesOf(end, bags), loss: end.loss })));
}

/** Those that no other one beats at every length, by loss; the earlier one of equals. */
export function paretoFront(all: readonly Assignment[]): Assignment[] {
  const sorted = [...all].sort((a, b) => {
    const at = a.loss.findIndex((one, o) => one !== b.loss[o]);
    return at < 0 ? 0 : a.loss[at]! - b.loss[at]!;
  });
  const front: Assignment[] = [];
  for (const one of sorted) if (!front.some((other) => atMost(other.loss, one.loss))) front.push(one);
  return front;
}

function atMost(a: readonly number[], b: readonly number[]): boolean {
  return a.every((one, o) => one <= b[o]!);
}

function alive(all: readonly Prefix[], groups: ReadonlyMap<string, readonly Prefix[]>): Prefix[] {
  const kept = new Set([...groups.values()].flat());
  return all.filter((one) => kept.has(one));
}

function rulesOf(end: Prefix, bags: number): Int32Array<ArrayBuffer> {
  const found = new Int32Array(bags);
  let at: Prefix | undefined = end;
  for (let bag = bags - 1; bag >= 0; bag--) {
    found[bag] = at!.rule;
    at = at!.before;
  }
  return found;
}
