/**
 * Plans from masks and lists of the host.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import type { Tensor } from "../device/tensor.ts";
import { type Plan, planOf, type PlanShape } from "./plan.ts";

/** Lists of a plan on the host; the outer axis is heads, or one entry for all of them. */
export interface HostLists {
  /** Of every head and row block the first slots of its key tiles, ascending. */
  readonly tiles?: readonly (readonly (readonly number[])[])[];
  /** Of every head the lists of single slots, ascending. */
  readonly columns?: readonly (readonly (readonly number[])[])[];
  /** Of every head and row block its list in `columns`, -1 for none. @default block n uses list n, or all the only one */
  readonly columnOf?: readonly (readonly number[])[];
  /** Of every head the query of each row. */
  readonly qOrder?: readonly (readonly number[])[];
  /** Of every head the key of each slot. */
  readonly kOrder?: readonly (readonly number[])[];
  /** Of every head sink and window. */
  readonly band?: readonly (readonly [number, number])[];
}

/**
 * Makes a plan of lists and checks it.
 *
 * @param d Receives the plan.
 * @example
 * ```ts
 * import { openDevice } from "../device/mod.ts";
 * import { planFromLists } from "./builders.ts";
 *
 * const device = await openDevice();
 * const shape = { heads: 1, lq: 4, lk: 4, causal: true, blockQ: 2, tileK: 2 };
 * const plan = await planFromLists(device, shape, { tiles: [[[0], [2]]], columns: [[[], [0]]] });
 * console.log(await plan.text());
 * device.dispose();
 * ```
 * @throws RangeError if a list is wrong; it says where and how.
 */
export async function planFromLists(d: Device, shape: PlanShape, lists: HostLists): Promise<Plan> {
  using scope = d.scope();
  const rows = (name: string, given: readonly (readonly number[])[] | undefined): Tensor | undefined => {
    if (!given) return undefined;
    const width = given[0]?.length ?? 0;
    if (given.some((row) => row.length !== width)) {
      throw new RangeError(`Cannot make a plan: the heads of "${name}" have different lengths`);
    }
    return upload(scope, name, given.flat(), [given.length, width]);
  };
  const ragged = (
    name: string,
    given: readonly (readonly (readonly number[])[])[] | undefined,
  ): Tensor | undefined => {
    if (!given) return undefined;
    const inner = given[0]?.length ?? 0;
    if (given.some((head) => head.length !== inner)) {
      throw new RangeError(`Cannot make a plan: the heads of "${name}" have different numbers of lists`);
    }
    const all = given.flat();
    const width = all.reduce((most, list) => Math.max(most, list.length), 1);
    const data = all.flatMap((list) => [...list, ...new Array<number>(width - list.length).fill(-1)]);
    return upload(scope, name, data, [given.length, inner, width]);
  };
  const plan = planOf(scope, shape, {
    tiles: ragged("tiles", lists.tiles),
    columns: ragged("columns", lists.columns),
    columnOf: rows("columnOf", lists.columnOf),
    qOrder: rows("qOrder", lists.qOrder),
    kOrder: rows("kOrder", lists.kOrder),
    band: rows("band", lists.band),
  });
  await plan.validate();
  if (plan.matrix) scope.keep(plan.matrix);
  return plan;
}

/**
 * Makes a plan of a mask: tiles that have a visible pair, and the bits of those that are not full.
 *
 * @param d Receives the plan.
 * @param mask [heads or 1, lq, lk]: not 0 where a query sees a key.
 * @param shape Sizes; blockQ and tileK say how fine the tiles are.
 * @throws RangeError if the mask has another size.
 */
export function planFromMask(d: Device, mask: ArrayLike<number>, shape: PlanShape): Plan {
  const { lq, lk, blockQ, tileK } = shape;
  const heads = mask.length === shape.heads * lq * lk ? shape.heads : 1;
  if (mask.length !== heads * lq * lk) {
    throw new RangeError(
      `Cannot make a plan: the mask has ${mask.length} entries, expected [${shape.heads} or 1, ${lq}, ${lk}]`,
    );
  }
  const [blocks, across, words] = [Math.ceil(lq / blockQ), Math.ceil(lk / tileK), Math.ceil(tileK / 32)];
  const tileWords = blockQ * words;
  const found = Array.from({ length: heads * blocks }, () => new Map<number, Int32Array>());
  for (let at = 0; at < mask.length; at++) {
    if (mask[at] === 0) continue;
    const [row, key] = [Math.floor(at / lk) % lq, at % lk];
    const tiles = found[Math.floor(at / (lq * lk)) * blocks + Math.floor(row / blockQ)]!;
    const tile = Math.floor(key / tileK);
    let bits = tiles.get(tile);
    if (!bits) tiles.set(tile, bits = new Int32Array(tileWords));
    bits[(row % blockQ) * words + ((key % tileK) >> 5)]! |= 1 << (key % tileK & 31);
  }
  const cap = found.reduce((most, tiles) => Math.max(most, tiles.size), Math.min(1, across));
  const starts = new Int32Array(found.length * cap).fill(-1);
  const bits = new Int32Array(found.length * cap * tileWords);
  found.forEach((tiles, n) => {
    [...tiles].sort(([a], [b]) => a - b).forEach(([tile, own], t) => {
      starts[n * cap + t] = tile * tileK;
      bits.set(own, (n * cap + t) * tileWords);
    });
  });
  using scope = d.scope();
  return planOf(d, shape, {
    tiles: scope.tensor(starts, [heads, blocks, cap]),
    bits: scope.tensor(bits, [heads, blocks, cap, blockQ, words]),
  });
}

function upload(d: Device, name: string, data: readonly number[], shape: readonly number[]): Tensor {
  const wrong = data.find((value) => !Number.isInteger(value) || Math.abs(value) > 0x7fff_ffff);
  if (wrong !== undefined) {
    throw new RangeError(`Cannot make a plan: "${name}" has the entry ${wrong}, expected whole numbers`);
  }
  return d.tensor(Int32Array.from(data), shape);
}
