/**
 * Python's `random.Random`, as far as the ensemble needs it (SPEC 7.4): same seed, same numbers as CPython 3.
 *
 * @module
 */

import { initByArray, seedWords } from "./mt19937.ts";

/** A generator that draws what `random.Random(seed)` draws. */
export interface PythonRandom {
  /** An unsigned integer of `bits` random bits, 1 to 32. */
  getrandbits(bits: number): number;
  /** A uniform integer from 0 to `n` - 1. */
  randbelow(n: number): number;
  /** One item of a list that is not empty. */
  choice<T>(items: readonly T[]): T;
  /** Shuffles in place. */
  shuffle(items: unknown[]): void;
  /** `k` distinct integers of 0 .. `n` - 1, in the order drawn (`sample(range(n), k)`). */
  sample(n: number, k: number): number[];
}

/**
 * Makes a generator.
 *
 * @param seed An integer within 2^53 - 1; like Python, its sign does not count.
 * @returns A generator; all its calls go on from one state.
 * @throws {RangeError} The seed is not a safe integer, or a method's argument is out of range.
 */
export function pythonRandom(seed: number): PythonRandom {
  const twister = initByArray(seedWords(Math.abs(seed)));

  const getrandbits = (bits: number): number => {
    if (!(Number.isInteger(bits) && bits >= 1 && bits <= 32)) {
      throw new RangeError(`Cannot draw ${bits} bits: expected an integer from 1 to 32`);
    }
    return twister.next() >>> (32 - bits);
  };

  const randbelow = (n: number): number => {
    if (!(Number.isInteger(n) && n >= 1 && n <= 0xffff_ffff)) {
      throw new RangeError(`Cannot draw an integer below ${n}: expected an integer from 1 to 2^32 - 1`);
    }
    const bits = 32 - Math.clz32(n);
    let drawn = getrandbits(bits);
    while (drawn >= n) drawn = getrandbits(bits);
    return drawn;
  };

  const sample = (n: number, k: number): number[] => {
    if (!(Number.isInteger(k) && k >= 0 && k <= n)) {
      throw new RangeError(`Cannot sample ${k} of ${n} items: expected an integer from 0 to ${n}`);
    }
    const result: number[] = [];
    if (n <= poolLimit(k)) {
      const pool = Array.from({ length: n }, (_, i) => i);
      for (let i = 0; i < k; i++) {
        const j = randbelow(n - i);
        result.push(pool[j]!);
        pool[j] = pool[n - i - 1]!;
      }
      return result;
    }
    const seen = new Set<number>();
    while (result.length < k) {
      const drawn = randbelow(n);
      if (seen.has(drawn)) continue;
      seen.add(drawn);
      result.push(drawn);
    }
    return result;
  };

  return {
    getrandbits,
    randbelow,
    choice<T>(items: readonly T[]): T {
      return items[randbelow(items.length)] as T;
    },
    shuffle(items: unknown[]): void {
      for (let i = items.length - 1; i > 0; i--) {
        const j = randbelow(i + 1);
        [items[i], items[j]] = [items[j], items[i]];
      }
    },
    sample,
  };
}

/** The largest population that `sample` copies instead of remembering what it has drawn. */
function poolLimit(k: number): number {
  let limit = 21;
  if (k > 5) {
    let power = 1;
    while (power < 3 * k) power *= 4;
    limit += power;
  }
  return limit;
}
