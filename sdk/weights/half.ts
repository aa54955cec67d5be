/**
 * 16-bit floats as raw bits: float16 (IEEE 754) and bfloat16 (the upper half of a float32).
 *
 * @module
 */
export { floatsToHalves, fromHalf, halvesToFloats, toHalf } from "../device/half.ts";

/**
 * Widens bfloat16 bits, exactly.
 *
 * @param brains Bits of each number.
 * @returns As many float32 numbers.
 */
export function brainsToFloats(brains: Uint16Array): Float32Array<ArrayBuffer> {
  const out = new Uint32Array(brains.length);
  for (let i = 0; i < brains.length; i++) out[i] = brains[i]! << 16;
  return new Float32Array(out.buffer);
}

/**
 * Narrows float32 numbers to bfloat16, to the nearest, ties to even.
 *
 * @param floats Any numbers.
 * @returns Bits of each.
 */
export function floatsToBrains(floats: Float32Array): Uint16Array<ArrayBuffer> {
  const copy = Float32Array.from(floats);
  const bits = new Uint32Array(copy.buffer);
  const out = new Uint16Array(copy.length);
  for (let i = 0; i < out.length; i++) {
    const x = bits[i]!;
    const isNaN = (x & 0x7fff_ffff) > 0x7f80_0000;
    out[i] = isNaN ? (x >>> 16) | 0x40 : (x + 0x7fff + ((x >>> 16) & 1)) >>> 16;
  }
  return out;
}
