/**
 * Attention maps in float64, for tests of methods that choose tiles by their mass.
 *
 * @module
 */
import { type Heads, scoreOf } from "./_test_heads.ts";

/**
 * Sums exp(score - lse) over tiles, as plain loops.
 *
 * @param lse The log-sum-exp of a query by head and number.
 * @param from The first key that counts.
 * @returns Of every head and query block the masses of the key blocks, the first of which begins at `from`.
 */
export function massOf(
  sample: Heads,
  blockSize: number,
  lse: (h: number, i: number) => number = (h, i) => lseOf(sample, h, i),
  from = 0,
): number[][][] {
  const rows = Math.ceil(sample.lq / blockSize);
  const cols = Math.ceil((sample.lk - from) / blockSize);
  return Array.from({ length: sample.heads }, (_, h) => {
    const tiles = Array.from({ length: rows }, () => new Array<number>(cols).fill(0));
    for (let i = 0; i < sample.lq; i++) {
      const own = lse(h, i);
      for (let j = from; j < sample.lk; j++) {
        tiles[Math.floor(i / blockSize)]![Math.floor((j - from) / blockSize)]! += Math.exp(
          scoreOf(sample, h, i, j) - own,
        );
      }
    }
    return tiles;
  });
}

/** The log-sum-exp of a query's scores, over the keys from `from` on. */
export function lseOf(sample: Heads, h: number, i: number, from = 0): number {
  const scores = Array.from({ length: sample.lk - from }, (_, j) => scoreOf(sample, h, i, from + j));
  const most = Math.max(...scores);
  return most + Math.log(scores.reduce((sum, score) => sum + Math.exp(score - most), 0));
}

/** The `keep` largest of a row, lower index first among equals. */
export function largest(row: readonly number[], keep: number): number[] {
  return row.map((_, at) => at).sort((a, b) => row[b]! - row[a]! || a - b).slice(0, keep);
}
