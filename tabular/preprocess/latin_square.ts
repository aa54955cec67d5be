/**
 * Random Latin squares: n orders of n features in which every feature stands at every place once (SPEC 7.4).
 *
 * @module
 */

import type { PythonRandom } from "./python_random.ts";

/** A random Latin square whose rows are made on demand, because an ensemble reads few of them. */
export interface LatinSquare {
  /** The number of rows, columns and symbols. */
  readonly size: number;
  /** Row `index`: a permutation of 0 .. size - 1. */
  row(index: number): Int32Array;
}

/**
 * Draws a random Latin square.
 *
 * The official code inserts the drawn symbols one by one in a growing square, then shuffles rows, transposes and shuffles rows.
 * Its growing square is circulant: entry (i, j) is the symbol drawn as number (j - i) mod n. So three permutations describe it.
 *
 * @param generator The source; as many draws are taken from it as the official code takes.
 * @param size The number of symbols, at least 1.
 * @returns The square.
 */
export function latinSquare(generator: PythonRandom, size: number): LatinSquare {
  const remaining = indices(size);
  const symbols: number[] = [];
  while (remaining.length > 1) {
    const symbol = generator.choice(remaining);
    symbols.push(symbol);
    remaining.splice(remaining.indexOf(symbol), 1);
  }
  symbols.push(...remaining);
  const columnOrder = indices(size);
  generator.shuffle(columnOrder);
  const rowOrder = indices(size);
  generator.shuffle(rowOrder);
  return {
    size,
    row(index: number): Int32Array {
      const start = rowOrder[index]!;
      return Int32Array.from(columnOrder, (place) => symbols[(start - place + size) % size]!);
    },
  };
}

function indices(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}
