/**
 * Choices of a plan of MMInference, for whoever inspects.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { cast } from "../device/ops/cast.ts";
import { compact } from "../device/ops/compact.ts";
import { concat } from "../device/ops/concat.ts";
import { full } from "../device/ops/fill.ts";
import { gather } from "../device/ops/gather.ts";
import type { Tensor } from "../device/tensor.ts";
import type { CellGroup } from "./mminference_cells.ts";
import type { LineTable } from "./mminference_table.ts";
import type { Note } from "./planner.ts";
import { table } from "./scores.ts";

/**
 * Names what was chosen, entry n of a head for its n-th search of that kind, in the order of query classes and then key classes:
 * `gridChoice` i32 [heads, entries, 2], stride and phase; `vsColumns` and `vsDistances` i32
 * [heads, entries, Lk], ascending. What there is not is -1.
 */
export function noteChoices(
  d: Device,
  heads: number,
  groups: readonly CellGroup[],
  { flags, linesOf, steps, stepOf }: LineTable,
  note: Note,
): void {
  const grids = Array.from({ length: heads }, (): number[] => []);
  const slashes = Array.from({ length: heads }, (): (readonly number[])[] => []);
  for (const cell of groups.flatMap((group) => group.cells)) {
    if (cell.pattern.type === "grid") grids[cell.head]!.push(stepOf.get(cell)!);
    if (cell.pattern.type === "vertical_slash") slashes[cell.head]!.push(linesOf.get(cell)!);
  }
  if (steps) {
    const all = concat(d, [steps, full(d, [1, 2], -1)], 0);
    note("gridChoice", cast(d, gather(d, all, padded(d, grids, stepOf.size)), "i32"));
  }
  if (slashes.some((lines) => lines.length > 0)) {
    ["vsColumns", "vsDistances"].forEach((name, kind) => {
      const lines = gather(d, flags, padded(d, slashes.map((cells) => cells.map((rows) => rows[kind]!)), -1));
      note(name, compact(d, cast(d, lines, "i32")).indices);
    });
  }
}

/** i32 [lists, longest]: lists, filled up. */
function padded(d: Device, lists: readonly (readonly number[])[], rest: number): Tensor {
  const longest = Math.max(...lists.map((list) => list.length));
  return table(d, [lists.length, longest], (i) => lists[Math.floor(i / longest)]![i % longest] ?? rest);
}
