/**
 * Tiles and bits of a plan of MMInference.
 *
 * @module
 */
import type { PlanParts } from "../attention/plan.ts";
import type { Device } from "../device/device.ts";
import { compact } from "../device/ops/compact.ts";
import { concat } from "../device/ops/concat.ts";
import { gather } from "../device/ops/gather.ts";
import { lineTiles } from "../device/ops/line_tiles.ts";
import { scoped } from "../device/scoped.ts";
import type { Tensor } from "../device/tensor.ts";
import type { CellGroup, Coordinates } from "./mminference_cells.ts";
import type { Placement } from "./mminference_order.ts";
import type { LineTable } from "./mminference_table.ts";
import { table } from "./scores.ts";

/** A head of a plan: where its tokens lie and in which coordinates its lines are. */
export interface PlacedHead {
  readonly coordinates: Coordinates;
  readonly placement: Placement;
  /** Room for tiles in every row block. */
  readonly capacity: number;
}

/**
 * Lists the tiles of all heads and which of their pairs are visible.
 *
 * @param heads At least one.
 * @param groups What the heads do.
 */
export function listTiles(
  d: Device,
  heads: readonly PlacedHead[],
  groups: readonly CellGroup[],
  found: LineTable,
  blockSize: number,
): PlanParts {
  const capacity = Math.max(...heads.map((head) => head.capacity));
  const lines = heads.map(({ coordinates }) => {
    const { queryClasses, keyClasses } = coordinates;
    return { shape: [1, 3, queryClasses, keyClasses], rows: new Int32Array(3 * queryClasses * keyClasses).fill(-1) };
  });
  for (const { a, b, cells } of groups) {
    for (const cell of cells) {
      const { queryClasses, keyClasses } = heads[cell.head]!.coordinates;
      found.linesOf.get(cell)!.forEach((row, kind) => {
        lines[cell.head]!.rows[(kind * queryClasses + a) * keyClasses + b] = row;
      });
    }
  }
  const { tiles, bits } = scoped(d, (all) => {
    const lists = heads.map(({ placement }, h) =>
      scoped(all, (s) => {
        const { queries, keys } = placement;
        const own = gather(s, found.flags, s.tensor(lines[h]!.rows, lines[h]!.shape));
        const touching = { queries, keys, lines: own };
        const sizes = { blockQ: blockSize, tileK: blockSize };
        const tiles = compact(s, lineTiles(s, touching, sizes), { step: blockSize, capacity }).indices;
        return { tiles, bits: lineTiles(s, touching, { ...sizes, tiles }) };
      })
    );
    return {
      tiles: concat(all, lists.map((list) => list.tiles), 0),
      bits: concat(all, lists.map((list) => list.bits), 0),
    };
  });
  const order = (name: "qOrder" | "kOrder"): Tensor | undefined => {
    const orders = heads.map(({ placement }) => placement[name]);
    if (orders.every((order) => order === undefined)) return undefined;
    const length = heads[0]!.placement[name === "qOrder" ? "queries" : "keys"].shape[2]!;
    const straight = table(d, [1, length], (i) => i);
    return concat(d, orders.map((order) => order ?? straight), 0);
  };
  return { tiles, bits, qOrder: order("qOrder"), kOrder: order("kOrder") };
}
