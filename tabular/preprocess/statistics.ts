/**
 * Sums, means and spreads of columns in float64, added up in pairs as NumPy does.
 *
 * @module
 */

/** The first two moments of a column. */
export interface Moments {
  /** The mean. */
  mean: number;
  /** The standard deviation, finite for finite columns. */
  deviation: number;
  /** Its square; Infinity where the squares of finite numbers overflow. */
  variance: number;
}

/**
 * Adds up in pairs: blocks of at most 128 numbers in eight interleaved sums, blocks in halves. Rounding errors grow with log n,
 * and results equal NumPy's on most columns to the last bit.
 *
 * @param values The numbers.
 * @returns The sum; 0 for none.
 */
export function pairwiseSum(values: Float64Array): number {
  return sumRange(values, 0, values.length);
}

/**
 * Measures a column in two passes. Where the squares overflow, the deviation is computed from numbers divided by the largest.
 *
 * @param values At least one number.
 * @param ddof What is taken from n in the variance's divisor: 0 (default) or 1.
 * @param scratch Room for as many numbers; a new array by default.
 * @returns Mean, deviation and variance.
 */
export function moments(
  values: Float64Array,
  ddof = 0,
  scratch: Float64Array = new Float64Array(values.length),
): Moments {
  const count = values.length;
  const mean = meanOf(values, scratch);
  const variance = spread(values, mean, 1, scratch) / (count - ddof);
  if (Number.isFinite(variance)) return { mean, deviation: Math.sqrt(variance), variance };
  const largest = largestMagnitude(values);
  const deviation = Math.sqrt(spread(values, mean, largest, scratch) / (count - ddof)) * largest;
  return { mean, deviation: Math.min(deviation, Number.MAX_VALUE), variance };
}

/**
 * Tells whether a variance is nothing but rounding noise (scikit-learn's rule).
 *
 * @param variance The population variance.
 * @param mean The mean.
 * @param count The number of values.
 * @returns True for a numerically constant column.
 */
export function isConstant(variance: number, mean: number, count: number): boolean {
  return variance <= count * Number.EPSILON * variance + (count * mean * Number.EPSILON) ** 2;
}

function meanOf(values: Float64Array, scratch: Float64Array): number {
  const count = values.length;
  const mean = sumRange(values, 0, count) / count;
  if (Number.isFinite(mean)) return mean;
  for (let i = 0; i < count; i++) scratch[i] = values[i]! / count;
  return sumRange(scratch, 0, count);
}

/** The sum of ((x - mean) / unit)^2. */
function spread(values: Float64Array, mean: number, unit: number, scratch: Float64Array): number {
  const count = values.length;
  const center = mean / unit;
  for (let i = 0; i < count; i++) {
    const difference = (unit === 1 ? values[i]! : values[i]! / unit) - center;
    scratch[i] = difference * difference;
  }
  return sumRange(scratch, 0, count);
}

function largestMagnitude(values: Float64Array): number {
  let largest = 0;
  for (let i = 0; i < values.length; i++) largest = Math.max(largest, Math.abs(values[i]!));
  return largest;
}

const BLOCK = 128;

function sumRange(values: Float64Array, start: number, count: number): number {
  if (count > BLOCK) {
    let half = count >> 1;
    half -= half % 8;
    return sumRange(values, start, half) + sumRange(values, start + half, count - half);
  }
  const end = start + count;
  if (count < 8) {
    let sum = 0;
    for (let i = start; i < end; i++) sum += values[i]!;
    return sum;
  }
  let s0 = values[start]!;
  let s1 = values[start + 1]!;
  let s2 = values[start + 2]!;
  let s3 = values[start + 3]!;
  let s4 = values[start + 4]!;
  let s5 = values[start + 5]!;
  let s6 = values[start + 6]!;
  let s7 = values[start + 7]!;
  let i = start + 8;
  for (; i + 8 <= end; i += 8) {
    s0 += values[i]!;
    s1 += values[i + 1]!;
    s2 += values[i + 2]!;
    s3 += values[i + 3]!;
    s4 += values[i + 4]!;
    s5 += values[i + 5]!;
    s6 += values[i + 6]!;
    s7 += values[i + 7]!;
  }
  let sum = (s0 + s1) + (s2 + s3) + ((s4 + s5) + (s6 + s7));
  for (; i < end; i++) sum += values[i]!;
  return sum;
}
