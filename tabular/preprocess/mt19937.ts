/**
 * The Mersenne Twister MT19937 (Matsumoto and Nishimura 1998), the source under Python's and PyTorch's generators.
 *
 * @module
 */

const SIZE = 624;
const SHIFT = 397;
const HIGH_BIT = 0x8000_0000;
const LOW_BITS = 0x7fff_ffff;
const TWIST = 0x9908_b0df;

/** A Mersenne Twister in some state; every call moves it on. */
export interface Mt19937 {
  /** The next 32 random bits as an unsigned integer. */
  next(): number;
  /** Moves on as `count` calls of `next` would. */
  skip(count: number): void;
}

/**
 * Starts a generator from one 32-bit seed (`init_genrand` of the reference code).
 *
 * @param seed An integer; only its low 32 bits count.
 * @returns The generator.
 */
export function initGenrand(seed: number): Mt19937 {
  return twister(fillFromSeed(lowWord(seed)));
}

/**
 * Starts a generator from a key of 32-bit words (`init_by_array` of the reference code).
 *
 * @param key At least one word.
 * @returns The generator.
 * @throws {RangeError} The key is empty.
 */
export function initByArray(key: readonly number[]): Mt19937 {
  if (key.length === 0) throw new RangeError("Cannot seed the generator: the key has no words");
  const state = fillFromSeed(19650218);
  let i = 1;
  let j = 0;
  for (let left = Math.max(SIZE, key.length); left > 0; left--) {
    state[i] = (state[i]! ^ mixed(state[i - 1]!, 1664525)) + key[j]! + j;
    if (++i === SIZE) {
      state[0] = state[SIZE - 1]!;
      i = 1;
    }
    if (++j === key.length) j = 0;
  }
  for (let left = SIZE - 1; left > 0; left--) {
    state[i] = (state[i]! ^ mixed(state[i - 1]!, 1566083941)) - i;
    if (++i === SIZE) {
      state[0] = state[SIZE - 1]!;
      i = 1;
    }
  }
  state[0] = HIGH_BIT;
  return twister(state);
}

/**
 * Splits an integer seed in 32-bit words, low word first; 0 gives one word.
 *
 * @param seed A safe integer of 0 or more.
 * @returns One or two words.
 * @throws {RangeError} The seed is negative, fractional or beyond 2^53 - 1.
 */
export function seedWords(seed: number): number[] {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new RangeError(`Cannot seed the generator with ${seed}: expected an integer from 0 to 2^53 - 1`);
  }
  const high = Math.floor(seed / 0x1_0000_0000);
  return high === 0 ? [seed] : [seed >>> 0, high];
}

function lowWord(seed: number): number {
  if (!Number.isSafeInteger(seed)) {
    throw new RangeError(`Cannot seed the generator with ${seed}: expected an integer within 2^53 - 1`);
  }
  const rest = seed % 0x1_0000_0000;
  return rest >>> 0;
}

function mixed(previous: number, factor: number): number {
  return Math.imul(previous ^ (previous >>> 30), factor);
}

function fillFromSeed(seed: number): Uint32Array {
  const state = new Uint32Array(SIZE);
  state[0] = seed;
  for (let i = 1; i < SIZE; i++) state[i] = mixed(state[i - 1]!, 1812433253) + i;
  return state;
}

function twister(state: Uint32Array): Mt19937 {
  let position = SIZE;

  const refill = (): void => {
    for (let i = 0; i < SIZE; i++) {
      const word = (state[i]! & HIGH_BIT) | (state[(i + 1) % SIZE]! & LOW_BITS);
      state[i] = state[(i + SHIFT) % SIZE]! ^ (word >>> 1) ^ ((word & 1) === 0 ? 0 : TWIST);
    }
    position = 0;
  };

  return {
    next(): number {
      if (position === SIZE) refill();
      let word = state[position++]!;
      word ^= word >>> 11;
      word ^= (word << 7) & 0x9d2c_5680;
      word ^= (word << 15) & 0xefc6_0000;
      return (word ^ (word >>> 18)) >>> 0;
    },
    skip(count: number): void {
      let left = count;
      while (left > SIZE - position) {
        left -= SIZE - position;
        refill();
      }
      position += left;
    },
  };
}
