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
import { slice } from "../device/ops/slice.ts";
import { scoped } from "../device/scoped.ts";
import type { Tensor } from "../device/tensor.ts";
import type { CellGroup, Coordinates } from "./mminference_cells.ts";
import { slashCells, tileBound } from "./mminference_cost.ts";
import { type Arranged, arrangeKeys, arrangeQueries, type LineIndex } from "./mminference_order.ts";
import type { MmHead, MmInter, MmPattern } from "./mminference_patterns.ts";
import type { LineTable } from "./mminference_table.ts";
import { table } from "./scores.ts";

/** Where the tokens of one head lie. */
interface Placed {
  readonly coordinates: Coordinates;
  readonly queries: Arranged;
  readonly keys: Arranged;
  /** Its place along the leading axes of `queries` and `keys`. */
  readonly at: number;
}

/**
 * Lists the tiles of all heads and which of their pairs are visible.
 *
 * @param heads At least one.
 * @param groups What the heads do.
 */
export function listTiles(
  d: Device,
  heads: readonly MmHead[],
  groups: readonly CellGroup[],
  coordinates: Readonly<Partial<Record<MmInter, Coordinates>>>,
  found: LineTable,
  blockSize: number,
): PlanParts {
  const [lq, lk] = [Object.values(coordinates)[0]!.queryClass.length, found.flags.shape[1]!];
  const sorted = slashCells(groups, lq * lk, blockSize);
  const lineOf = indexLines(groups, found, sorted);
  const placed = placeHeads(d, heads, coordinates, { flags: found.flags, lineOf }, sorted);
  const bounds = heads.map((head, h) => sorted.has(h) ? Infinity : tileBound(head, lk, blockSize));
  const capacity = Math.min(Math.ceil(lk / blockSize), Math.max(...bounds));
  const { tiles, bits } = scoped(d, (all) => {
    const lists = placed.map(({ coordinates, queries, keys, at }, h) =>
      scoped(all, (s) => {
        const { queryClasses, keyClasses } = coordinates;
        const index = table(s, [1, 3, queryClasses, keyClasses], (i) => {
          const [pair, b] = [Math.floor(i / keyClasses), i % keyClasses];
          return lineOf(h, Math.floor(pair / queryClasses), pair % queryClasses, b);
        });
        const lines = {
          queries: ownOf(s, queries.coordinates, at),
          keys: ownOf(s, keys.coordinates, at),
          lines: gather(s, found.flags, index),
        };
        const sizes = { blockQ: blockSize, tileK: blockSize };
        const tiles = compact(s, lineTiles(s, lines, sizes), { step: blockSize, capacity }).indices;
        return { tiles, bits: lineTiles(s, lines, { ...sizes, tiles }) };
      })
    );
    return {
      tiles: concat(all, lists.map((list) => list.tiles), 0),
      bits: concat(all, lists.map((list) => list.bits), 0),
    };
  });
  const order = (name: "queries" | "keys", length: number): Tensor | undefined => {
    if (placed.every((head) => head[name].order === undefined)) return undefined;
    const straight = d.tensor(new Int32Array(length).map((_, i) => i), [1, length]);
    return concat(d, placed.map((head) => ownOf(d, head[name].order ?? straight, head.at)), 0);
  };
  return { tiles, bits, qOrder: order("queries", lq), kOrder: order("keys", lk) };
}

/** The part of a head of what may be the same for all. */
function ownOf(d: Device, all: Tensor, at: number): Tensor {
  return all.shape[0] === 1 ? all : slice(d, all, 0, at, at + 1);
}

/** Tokens of all heads; those of one inter-modality type are arranged together. */
function placeHeads(
  d: Device,
  heads: readonly MmHead[],
  coordinates: Readonly<Partial<Record<MmInter, Coordinates>>>,
  lines: { readonly flags: Tensor; readonly lineOf: LineIndex },
  sorted: ReadonlyMap<number, CellGroup>,
): Placed[] {
  const placed: Placed[] = [];
  for (const [inter, own] of Object.entries(coordinates)) {
    const members = [...heads.keys()].filter((h) => heads[h]!.inter === inter);
    const lined = { ...lines, heads: members };
    const any = (wanted: (pattern: MmPattern) => boolean): boolean =>
      members.some((h) =>
        sorted.has(h) || Object.values(heads[h]!).some((cell) => typeof cell === "object" && wanted(cell))
      );
    const vertical = any((pattern) =>
      pattern.type === "vertical_slash" || (pattern.type === "grid" && pattern.vline)
    );
    const horizontal = any((pattern) => pattern.type === "grid" && pattern.hline);
    const queries = arrangeQueries(d, own, horizontal ? lined : undefined);
    const keys = arrangeKeys(d, own, vertical ? lined : undefined);
    members.forEach((h, at) => placed[h] = { coordinates: own, queries, keys, at });
  }
  return placed;
}

/** Where the lines of heads are; the numbers to sort by only of cells that are sorted. */
function indexLines(
  groups: readonly CellGroup[],
  { linesOf }: LineTable,
  sorted: ReadonlyMap<number, CellGroup>,
): LineIndex {
  const index = new Map<string, number>();
  for (const group of groups) {
    for (const cell of group.cells) {
      linesOf.get(cell)!.forEach((line, kind) => {
        if (kind < 3 || sorted.get(cell.head) === group) {
          index.set(`${cell.head} ${kind} ${group.a} ${group.b}`, line);
        }
      });
    }
  }
  return (head, kind, a, b) => index.get(`${head} ${kind} ${a} ${b}`) ?? -1;
}
