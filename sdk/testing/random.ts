/**
 * Seeded random numbers for tests: the same seed gives the same values in every runtime.
 *
 * @module
 */

/** A seeded source of random numbers. */
export interface Random {
  /** A number in [0, 1) with 32 random bits. */
  uniform(): number;
  /** A number drawn from the standard normal distribution. */
  normal(): number;
  /** An integer from `low` (included) to `high` (excluded). */
  int(low: number, high: number): number;
  /** One item of a list that is not empty. */
  pick<T>(items: readonly T[]): T;
  /** A new array with the items in random order. */
  shuffle<T>(items: readonly T[]): T[];
  /** `length` standard normal numbers times `scale` (default 1) plus `mean` (default 0). */
  normals(length: number, scale?: number, mean?: number): Float32Array<ArrayBuffer>;
  /** `length` numbers in [low, high), by default [0, 1). */
  uniforms(length: number, low?: number, high?: number): Float32Array<ArrayBuffer>;
  /** `length` integers from `low` (included) to `high` (excluded). */
  ints(length: number, low: number, high: number): Int32Array<ArrayBuffer>;
}

/**
 * Makes a seeded source of random numbers (a 32-bit counter hashed with the finaliser of MurmurHash3).
 *
 * @param seed An integer; only its low 32 bits count.
 * @returns The source.
 */
export function random(seed: number): Random {
  let state = hash(seed | 0) >>> 0;
  const bits = (): number => {
    state = (state + 0x9e3779b9) | 0;
    return hash(state);
  };
  const uniform = (): number => (bits() >>> 0) / 0x1_0000_0000;
  // Box-Muller; the angle's partner is thrown away, so that a call uses a fixed number of draws.
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  const int = (low: number, high: number): number => {
    if (!(Number.isInteger(low) && Number.isInteger(high) && low < high)) {
      throw new RangeError(`Cannot draw an integer: the range ${low} to ${high} is empty or not whole`);
    }
    return low + Math.floor(uniform() * (high - low));
  };
  return {
    uniform,
    normal,
    int,
    pick<T>(items: readonly T[]): T {
      return items[int(0, items.length)] as T;
    },
    shuffle<T>(items: readonly T[]): T[] {
      const result = [...items];
      for (let i = result.length - 1; i > 0; i--) {
        const j = int(0, i + 1);
        [result[i], result[j]] = [result[j] as T, result[i] as T];
      }
      return result;
    },
    normals: (length, scale = 1, mean = 0) => Float32Array.from({ length }, () => mean + scale * normal()),
    uniforms: (length, low = 0, high = 1) =>
      Float32Array.from({ length }, () => low + (high - low) * uniform()),
    ints: (length, low, high) => Int32Array.from({ length }, () => int(low, high)),
  };
}

function hash(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
