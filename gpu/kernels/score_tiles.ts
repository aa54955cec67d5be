/**
 * Tiles of scores: how many threads a workgroup of attention has, and what they share.
 *
 * @module
 */
import type { Caps } from "../kernel.ts";
import type { Constants } from "../template.ts";

/** Constants of a tile: threads across keys and down queries, columns of a chunk, and what follows from them. */
export interface ScoreTile extends Constants {
  readonly WX: number;
  readonly WY: number;
  readonly TD: number;
  readonly WIDTH: number;
  readonly D4: number;
  readonly DV: number;
}

/**
 * The tiles that an adapter can run, the largest first; at least the smallest.
 *
 * @param d4 A head's columns in fours.
 * @param rest Bytes that a kernel shares beside chunk, scores and folds.
 */
export function tilesThatFit(caps: Caps, d4: number, rest: (wx: number, wy: number) => number): ScoreTile[] {
  const tiles = ([[16, 16], [16, 8], [8, 8], [8, 4]] as const).map(([wx, wy]) => {
    // Each thread fetches one block of q or k, so a chunk has as many columns as the threads can fetch.
    const td = wx === 16 ? 16 : 8;
    // A row of v takes the place of a row of q beside k.
    const width = Math.max(2 * wy + wx + 2, d4);
    return {
      bytes: 16 * td * width + 64 * wx * (2 * wy + 1) + 4 * wx * wy + rest(wx, wy),
      tile: { WX: wx, WY: wy, TD: td, WIDTH: width, D4: d4, DV: Math.ceil(d4 / wx) },
    };
  });
  const fitting = tiles.filter(({ bytes, tile: { WX, WY } }) =>
    bytes <= caps.workgroupBytes && WX * WY <= caps.invocations
  );
  return (fitting.length > 0 ? fitting : tiles.slice(-1)).map(({ tile }) => tile);
}
