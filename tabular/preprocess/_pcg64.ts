/** NumPy's SeedSequence and PCG64 (XSL-RR 128/64, O'Neill 2014) on 32-bit limbs (SPEC 7.6). */
export interface Pcg64 {
  /** The high half of the 64 bits last drawn, unsigned. */
  high: number;
  /** The low half of the 64 bits last drawn, unsigned. */
  low: number;
  /** Draws the next 64 bits. */
  step(): void;
}

/** The multiplier 2549297995355413924 * 2^64 + 4865540595714422341, low limb first. */
const MULTIPLIER = Uint32Array.of(0x9fcc_f645, 0x4385_df64, 0x1fc6_5da4, 0x2360_ed05);

/**
 * Starts a generator.
 *
 * @param entropy The seed's 32-bit words, low first.
 */
export function pcg64(entropy: readonly number[]): Pcg64 {
  const words = seedSequence(entropy, 8);
  // Words come low first within each 64-bit number, but the numbers come high first within 128 bits.
  const initial = Uint32Array.of(words[2]!, words[3]!, words[0]!, words[1]!);
  const stream = Uint32Array.of(words[6]!, words[7]!, words[4]!, words[5]!);
  const increment = new Uint32Array(4);
  for (let i = 0; i < 4; i++) increment[i] = (stream[i]! << 1) | (i === 0 ? 1 : stream[i - 1]! >>> 31);
  const state = Uint32Array.from(increment);
  add(state, initial);
  advance(state, increment);

  const generator: Pcg64 = {
    high: 0,
    low: 0,
    step(): void {
      advance(state, increment);
      const high = state[3]! ^ state[1]!;
      const low = state[2]! ^ state[0]!;
      const turn = state[3]! >>> 26;
      const by = turn & 31;
      const a = turn < 32 ? high : low;
      const b = turn < 32 ? low : high;
      generator.high = by === 0 ? a >>> 0 : ((a >>> by) | (b << (32 - by))) >>> 0;
      generator.low = by === 0 ? b >>> 0 : ((b >>> by) | (a << (32 - by))) >>> 0;
    },
  };
  return generator;
}

/** `count` well-mixed words from a seed's words. */
function seedSequence(entropy: readonly number[], count: number): Uint32Array {
  let hash = 0x43b0_d7e5;
  const hashed = (value: number): number => {
    let v = value ^ hash;
    hash = Math.imul(hash, 0x931e_8875);
    v = Math.imul(v, hash);
    return v ^ (v >>> 16);
  };
  const mix = (x: number, y: number): number => {
    const r = (Math.imul(0xca01_f9dd, x) - Math.imul(0x4973_f715, y)) | 0;
    return r ^ (r >>> 16);
  };
  const pool = new Uint32Array(4);
  for (let i = 0; i < 4; i++) pool[i] = hashed(entropy[i] ?? 0);
  for (let from = 0; from < 4; from++) {
    for (let to = 0; to < 4; to++) if (to !== from) pool[to] = mix(pool[to]!, hashed(pool[from]!));
  }
  for (const word of entropy.slice(4)) {
    for (let to = 0; to < 4; to++) pool[to] = mix(pool[to]!, hashed(word));
  }
  let g = 0x8b51_f9dd;
  return Uint32Array.from({ length: count }, (_, k) => {
    let v = pool[k % 4]! ^ g;
    g = Math.imul(g, 0x58f3_8ded);
    v = Math.imul(v, g);
    return v ^ (v >>> 16);
  });
}

/** state = state + addend, modulo 2^128. */
function add(state: Uint32Array, addend: Uint32Array): void {
  let carry = 0;
  for (let i = 0; i < 4; i++) {
    const sum = state[i]! + addend[i]! + carry;
    state[i] = sum;
    carry = sum > 0xffff_ffff ? 1 : 0;
  }
}

const product = new Uint32Array(4);

/** state = state * MULTIPLIER + increment, modulo 2^128. */
function advance(state: Uint32Array, increment: Uint32Array): void {
  product.set(increment);
  for (let i = 0; i < 4; i++) {
    const a = state[i]!;
    let carry = 0;
    for (let j = 0; i + j < 4; j++) {
      const b = MULTIPLIER[j]!;
      const low = Math.imul(a, b) >>> 0;
      const sum = product[i + j]! + low + carry;
      product[i + j] = sum;
      if (i + j < 3) carry = highProduct(a, b) + Math.floor(sum / 0x1_0000_0000);
    }
  }
  state.set(product);
}

/** The high 32 bits of the product of two unsigned 32-bit integers. */
function highProduct(a: number, b: number): number {
  const a0 = a & 0xffff;
  const a1 = a >>> 16;
  const b0 = b & 0xffff;
  const b1 = b >>> 16;
  const middle = a1 * b0 + ((a0 * b0) >>> 16);
  const cross = a0 * b1 + (middle & 0xffff);
  return a1 * b1 + (middle >>> 16) + (cross >>> 16);
}
