/**
 * float16 (IEEE 754 binary16) as raw bits.
 *
 * @module
 */

const bits = new Uint32Array(1);
const float = new Float32Array(bits.buffer);
let table: Float32Array<ArrayBuffer> | undefined;

/**
 * Widens one float16, exactly.
 *
 * @param half Its bits, 0 to 65535.
 * @returns The number.
 */
export function fromHalf(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/**
 * Narrows a number to float16, to the nearest, ties to even; beyond 65520 it is an infinity.
 *
 * @param value A number; rounded to float32 first.
 * @returns The bits.
 */
export function toHalf(value: number): number {
  float[0] = value;
  const x = bits[0]!;
  const sign = (x >>> 16) & 0x8000;
  const magnitude = x & 0x7fff_ffff;
  if (magnitude > 0x7f80_0000) return sign | 0x7e00;
  // 65520 is half way between the largest float16 and the next power of two.
  if (magnitude >= 0x477f_f000) return sign | 0x7c00;
  if (magnitude >= 0x3880_0000) {
    // Re-bias the exponent by 15 - 127; the carry of the rounding may run into it.
    return sign | ((magnitude - 0x3800_0000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
  }
  // Below 2^-14 halves are multiples of 2^-24; below half of that, zero. Adding 2^-1 in float32 rounds to those multiples.
  float[0] = Math.abs(value) + 0.5;
  return sign | (bits[0]! - 0x3f00_0000);
}

/**
 * Widens float16 bits, exactly.
 *
 * @param halves Bits of each number.
 * @returns As many float32 numbers.
 */
export function halvesToFloats(halves: Uint16Array): Float32Array<ArrayBuffer> {
  if (table === undefined) {
    table = new Float32Array(65536);
    for (let i = 0; i < 65536; i++) table[i] = fromHalf(i);
  }
  const out = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) out[i] = table[halves[i]!]!;
  return out;
}

/**
 * Narrows float32 numbers to float16, to the nearest, ties to even; beyond 65520 they become infinities.
 *
 * @param floats Any numbers.
 * @returns Bits of each.
 */
export function floatsToHalves(floats: Float32Array): Uint16Array<ArrayBuffer> {
  const out = new Uint16Array(floats.length);
  for (let i = 0; i < floats.length; i++) out[i] = toHalf(floats[i]!);
  return out;
}
