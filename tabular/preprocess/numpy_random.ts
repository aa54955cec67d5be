/**
 * NumPy's `default_rng(seed).standard_normal`: SeedSequence, PCG64 and the 256-layer ziggurat (SPEC 7.6).
 *
 * @module
 */

import { type Pcg64, pcg64 } from "./_pcg64.ts";
import { seedWords } from "./mt19937.ts";
import { zigguratTables } from "./_ziggurat_tables.ts";

/** A source of standard normal numbers. */
export interface NumpyNormals {
  /** The next number. */
  next(): number;
  /** Fills an array in order and returns it. */
  fill(values: Float64Array): Float64Array;
}

/**
 * Makes the source that `numpy.random.default_rng(seed)` starts.
 *
 * @param seed An integer from 0 to 2^53 - 1.
 * @returns A source; all its calls go on from one state.
 * @throws {RangeError} The seed is out of range.
 */
export function numpyNormals(seed: number): NumpyNormals {
  const bits = pcg64(seedWords(seed));
  const { edge, counts, widths, heights } = zigguratTables();

  const next = (): number => {
    for (;;) {
      bits.step();
      const layer = bits.low & 0xff;
      const sign = (bits.low & 0x100) === 0 ? 1 : -1;
      const mantissa = (bits.high & 0x1fff_ffff) * 0x80_0000 + (bits.low >>> 9);
      const x = sign * mantissa * widths[layer]!;
      if (mantissa < counts[layer]!) return x;
      if (layer === 0) {
        // Bit 8 of the mantissa decides the sign of a number in the tail.
        const negative = (bits.low & 0x2_0000) !== 0;
        const distance = tail(bits, edge);
        return negative ? -distance : distance;
      }
      const height = (heights[layer - 1]! - heights[layer]!) * uniform(bits) + heights[layer]!;
      if (height < Math.exp(-0.5 * x * x)) return x;
    }
  };

  return {
    next,
    fill(values: Float64Array): Float64Array {
      for (let i = 0; i < values.length; i++) values[i] = next();
      return values;
    },
  };
}

function tail(bits: Pcg64, edge: number): number {
  for (;;) {
    const a = -Math.log1p(-uniform(bits)) / edge;
    const b = -Math.log1p(-uniform(bits));
    if (b + b > a * a) return edge + a;
  }
}

function uniform(bits: Pcg64): number {
  bits.step();
  return (bits.high * 0x20_0000 + (bits.low >>> 11)) / 0x20_0000_0000_0000;
}
