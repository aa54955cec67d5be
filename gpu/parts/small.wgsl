// Elements of SIZE bytes (1 or 2) inside words: `x` is read, `out` written with atomics.
const EACH: u32 = 4u / SIZE;
const BITS: u32 = 8u * SIZE;

fn element(i: u32) -> u32 { return extractBits(x[i / EACH], BITS * (i % EACH), BITS); }

fn put(i: u32, value: u32) {
  let shift = BITS * (i % EACH);
  atomicAnd(&out[i / EACH], ~(((1u << BITS) - 1u) << shift));
  atomicOr(&out[i / EACH], value << shift);
}
