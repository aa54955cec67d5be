/**
 * Tiles and their bits from lines between classes of tokens.
 *
 * @module
 */
import type { Device } from "../device.ts";
import type { Tensor } from "../tensor.ts";
import { expectInt, expectRank, expectShape, use, useOptional } from "./_check.ts";

/** Which slots lines make visible; a leading axis of 1 is shared by all heads. */
export interface Lines {
  /** i32 [heads or 1, 1 + B, Lq]: the class of every row's query, then for every key class the number of its keys up to the query, minus 1. */
  readonly queries: Tensor;
  /** i32 [heads or 1, 2, Lk]: the class of every slot's key and its rank in that class. */
  readonly keys: Tensor;
  /** f32 [heads, 3, A, B, length]: flags of ranks of keys, of distances (count of the query - rank) and of counts of queries, by class of query and key. */
  readonly lines: Tensor;
}

/** Sizes of {@linkcode lineTiles}. */
export interface LineTilesOptions {
  /** Rows per query block. */
  readonly blockQ: number;
  /** Slots per tile. */
  readonly tileK: number;
  /** i32 [heads, blocks, tileCap]: tiles whose bits are wanted. @default none: occupancy is returned */
  readonly tiles?: Tensor;
}

/**
 * Finds the tiles that lines touch or, given tiles, the bits of their visible slots.
 *
 * @param d Receives the result.
 * @returns i32 [heads, blocks, ceil(Lk / tileK)]: 1 where a tile has a visible slot; with `tiles` i32 [heads, blocks, tileCap, blockQ, ceil(tileK / 32)].
 * @throws RangeError if shapes do not fit.
 */
export function lineTiles(d: Device, { queries, keys, lines }: Lines, options: LineTilesOptions): Tensor {
  const { blockQ, tileK, tiles } = options;
  const ids = {
    queries: use(d, "lineTiles", "queries", queries, "i32"),
    keys: use(d, "lineTiles", "keys", keys, "i32"),
    lines: use(d, "lineTiles", "lines", lines),
    tiles: useOptional(d, "lineTiles", "tiles", tiles, "i32"),
  };
  expectRank("lineTiles", "queries", queries, 3, 3);
  expectRank("lineTiles", "keys", keys, 3, 3);
  expectRank("lineTiles", "lines", lines, 5, 5);
  expectInt("lineTiles", "blockQ", blockQ, 1);
  expectInt("lineTiles", "tileK", tileK, 1);
  const [heads, , queryClasses, keyClasses, length] = lines.shape as [number, number, number, number, number];
  const [queryHeads, , lq] = queries.shape as [number, number, number];
  const [keyHeads, , lk] = keys.shape as [number, number, number];
  expectShape("lineTiles", "lines", lines, [heads, 3, queryClasses, keyClasses, length], "");
  expectShape(
    "lineTiles",
    "queries",
    queries,
    [queryHeads === 1 ? 1 : heads, 1 + keyClasses, lq],
    `for "lines" [${lines.shape}]`,
  );
  expectShape("lineTiles", "keys", keys, [keyHeads === 1 ? 1 : heads, 2, lk], `for "lines" [${lines.shape}]`);
  const blocks = Math.ceil(lq / blockQ);
  const tileCap = tiles ? tiles.shape[2] ?? 0 : 0;
  if (tiles) expectShape("lineTiles", "tiles", tiles, [heads, blocks, tileCap], "one list per block");
  const out = d.empty(
    tiles ? [heads, blocks, tileCap, blockQ, Math.ceil(tileK / 32)] : [heads, blocks, Math.ceil(lk / tileK)],
    "i32",
  );
  if (out.size > 0) {
    d.submit({
      op: "lineTiles",
      ...ids,
      out: out.id,
      heads,
      queryHead: queryHeads === 1 ? 0 : (1 + keyClasses) * lq,
      keyHead: keyHeads === 1 ? 0 : 2 * lk,
      queryClasses,
      keyClasses,
      lq,
      lk,
      length,
      blockQ,
      tileK,
      tileCap,
    });
  }
  return out;
}
