/**
 * The lines of all patterns of a plan of MMInference.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { concat } from "../device/ops/concat.ts";
import { gather } from "../device/ops/gather.ts";
import type { Tensor } from "../device/tensor.ts";
import type { Cell, CellGroup } from "./mminference_cells.ts";
import { bundleOf } from "./mminference_cost.ts";
import { estimate } from "./mminference_estimate.ts";
import { below, best, chooseSteps, gridLines } from "./mminference_lines.ts";
import type { MmGrid, MmVerticalSlash } from "./mminference_patterns.ts";
import { table } from "./scores.ts";

/** Flags of lines, and which of them each cell has. */
export interface LineTable {
  /** f32 [lines, Lk]. */
  readonly flags: Tensor;
  /**
   * Rows of `flags` by rank of the key, by distance and by count of the query, and for a grid one that holds the bundles of
   * rests that numbers are in; -1 or missing for no lines.
   */
  readonly linesOf: ReadonlyMap<Cell, readonly number[]>;
  /** f32 [grids, 2]: chosen strides and phases. */
  readonly steps: Tensor | undefined;
  /** Rows of `steps`. */
  readonly stepOf: ReadonlyMap<Cell, number>;
}

/**
 * Finds the lines of all cells.
 *
 * @param q [Hq, Lq, D].
 * @param k [Hkv, Lk, D].
 * @param groups At least one.
 * @param options `lastQ`: how many queries of each class tell where lines lie.
 */
export function findLines(
  d: Device,
  q: Tensor,
  k: Tensor,
  groups: readonly CellGroup[],
  options: { readonly lastQ: number; readonly blockSize: number },
): LineTable {
  const { lastQ, blockSize } = options;
  const length = k.shape[1]!;
  const linesOf = new Map<Cell, readonly number[]>();
  const stepOf = new Map<Cell, number>();
  const flags: Tensor[] = [];
  const steps: Tensor[] = [];
  let count = 0;
  /** Takes flags up; gives the number of the first. */
  const add = (rows: Tensor): number => {
    flags.push(rows);
    count += rows.shape[0]!;
    return count - rows.shape[0]!;
  };

  const limits = new Set<number>();
  for (const { pattern } of groups.flatMap((group) => group.cells)) {
    if (pattern.type === "dense") limits.add(length);
    if (pattern.type === "a_shape") limits.add(pattern.init).add(pattern.local);
  }
  const ordered = [...limits];
  if (ordered.length > 0) add(below(d, ordered, length));

  for (const group of groups) {
    for (const cell of group.cells) {
      const { pattern } = cell;
      if (pattern.type === "dense") linesOf.set(cell, [ordered.indexOf(length), -1, -1]);
      if (pattern.type === "a_shape") {
        linesOf.set(cell, [ordered.indexOf(pattern.init), ordered.indexOf(pattern.local), -1]);
      }
    }
    const dynamic: Cell[] = group.cells.filter((cell) => isGrid(cell) || isVerticalSlash(cell));
    if (dynamic.length === 0) continue;
    const sums = estimate(d, q, k, group, dynamic.map((cell) => cell.head), lastQ);
    const sumsOf = (all: Tensor, cells: readonly Cell[]): Tensor =>
      gather(d, all, table(d, [cells.length], (i) => dynamic.indexOf(cells[i]!)));
    /** Gives every cell its row of each of some tensors. */
    const set = (cells: readonly Cell[], kinds: readonly Tensor[]): void => {
      const firsts = kinds.map(add);
      cells.forEach((cell, i) => linesOf.set(cell, firsts.map((first) => first + i)));
    };

    const slashes = dynamic.filter(isVerticalSlash);
    if (slashes.length > 0) {
      const [columns, distances] = [sumsOf(sums.columns, slashes), sumsOf(sums.diagonals, slashes)];
      const of = (name: "nv" | "ns" | "init" | "local"): number[] =>
        slashes.map((cell) => cell.pattern[name]);
      set(slashes, [
        best(d, columns, of("nv"), of("init"), length),
        best(d, distances, of("ns"), of("local"), length),
      ]);
    }
    for (const cells of byStrides(dynamic.filter(isGrid))) {
      const patterns = cells.map((cell) => cell.pattern);
      const inits = patterns.map((pattern) => pattern.init);
      const chosen = chooseSteps(d, sumsOf(sums.columns, cells), patterns[0]!.strides, inits);
      cells.forEach((cell) => stepOf.set(cell, stepOf.size));
      steps.push(chosen);
      const bundles = patterns.map((pattern) => bundleOf(pattern, group.keys.length, blockSize).size);
      const lines = gridLines(d, chosen, patterns, bundles, length);
      set(cells, [lines.keys, lines.distances, lines.queries, lines.bundles]);
    }
  }
  return {
    flags: concat(d, flags, 0),
    linesOf,
    steps: steps.length > 0 ? concat(d, steps, 0) : undefined,
    stepOf,
  };
}

function isVerticalSlash(cell: Cell): cell is Cell<MmVerticalSlash> {
  return cell.pattern.type === "vertical_slash";
}

function isGrid(cell: Cell): cell is Cell<MmGrid> {
  return cell.pattern.type === "grid";
}

/** Cells that choose from the same strides. */
function byStrides(cells: readonly Cell<MmGrid>[]): Iterable<Cell<MmGrid>[]> {
  const groups = new Map<string, Cell<MmGrid>[]>();
  for (const cell of cells) {
    const key = cell.pattern.strides.join();
    const group = groups.get(key);
    if (group) group.push(cell);
    else groups.set(key, [cell]);
  }
  return groups.values();
}
