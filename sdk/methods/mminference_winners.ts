/**
 * The best pattern of every cell of every head.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { type CellGroup, cellGroups, coordinatesOf, modalitiesOf } from "./mminference_cells.ts";
import type { MmHead, MmInter, MmPattern } from "./mminference_patterns.ts";
import {
  denseOut,
  INTERS,
  type MMInferenceSample,
  type MMInferenceTrial,
  type Trial,
  tryHeads,
} from "./mminference_trial.ts";

/** What {@linkcode searchCells} chooses from. */
export interface CellSearch extends MMInferenceTrial {
  /** Patterns, at least one. */
  readonly space: readonly MmPattern[];
  /** An A-shape of the wanted cost. @default no limit */
  readonly target?: { readonly init: number; readonly local: number };
}

/** A pattern and how good it is: within the wanted cost or not, then its error or, beyond the cost, its pairs. */
interface Winner {
  readonly pattern: MmPattern;
  readonly beyond: boolean;
  readonly figure: number;
}

/**
 * Finds for every head the best pattern for all tokens, for the queries of each modality and for each pair of modalities; while one pair is tried, the
 * others of the same queries are dense.
 *
 * @returns What each head would do, by inter-modality type; only "none" where there is a single modality.
 */
export async function searchCells(
  device: Device,
  sample: MMInferenceSample,
  search: CellSearch,
): Promise<Partial<Record<MmInter, MmHead[]>>> {
  const [heads, length] = sample.q.shape as [number, number];
  const modality = search.modality?.length ? search.modality : new Int32Array(length);
  const inters = modalitiesOf(modality).length > 1 ? INTERS : INTERS.slice(0, 1);
  const groups = cellGroups(
    [],
    modality,
    Object.fromEntries(inters.map((inter) => [inter, coordinatesOf(inter, modality, length)])),
  );
  const winners = new Map(
    groups.map((group) => [group, new Array<Winner | undefined>(heads).fill(undefined)]),
  );
  using scope = device.scope();
  const dense = denseOut(scope, sample);
  for (const pattern of search.space) {
    for (const tried of trials(groups)) {
      const { inter } = tried[0]!;
      const all = groups.filter((group) => group.inter === inter);
      const head = headOf(inter, all, (group) => tried.includes(group) ? pattern : { type: "dense" });
      const found = await tryHeads(scope, sample, dense, new Array<MmHead>(heads).fill(head), search);
      for (const group of tried) {
        const best = winners.get(group)!;
        for (let h = 0; h < heads; h++) {
          const now = judge(pattern, group, found, h * length, search.target);
          const before = best[h];
          const better = !before ||
            (now.beyond === before.beyond ? now.figure < before.figure : before.beyond);
          if (better) best[h] = now;
        }
      }
    }
  }
  return Object.fromEntries(inters.map((inter) => {
    const all = groups.filter((group) => group.inter === inter);
    const own = Array.from(
      { length: heads },
      (_, h) => headOf(inter, all, (group) => winners.get(group)![h]!.pattern),
    );
    return [inter, own];
  }));
}

/** Cells that can be tried in one plan: no two of the same queries. */
function trials(groups: readonly CellGroup[]): CellGroup[][] {
  return Object.values(Object.groupBy(groups, ({ inter, b }) => `${inter} ${b}`)) as CellGroup[][];
}

function headOf(
  inter: MmInter,
  groups: readonly CellGroup[],
  pattern: (group: CellGroup) => MmPattern,
): MmHead {
  return { inter, ...Object.fromEntries(groups.map((group) => [group.name, pattern(group)])) };
}

function judge(
  pattern: MmPattern,
  { rows, counts }: CellGroup,
  found: Trial,
  base: number,
  target: CellSearch["target"],
): Winner {
  let [error, pairs, budget] = [0, 0, 0];
  rows.forEach((row, i) => {
    const [own, all] = [counts[i]! + 1, row + 1];
    error += found.errors[base + row]! / rows.length;
    pairs += found.counts[base + row]! - (all - own);
    budget += own * Math.min(1, target ? (target.init + target.local) / all : 1);
  });
  const beyond = pairs > budget;
  return { pattern, beyond, figure: beyond ? pairs : error };
}
