/**
 * The last step of every pipeline: a soft clip of what lies far outside the training values (SPEC 7.3 c).
 *
 * @module
 */

import { moments } from "./statistics.ts";

const SMALLEST_DEVIATION = 1e-6;

/** The bounds of one column. */
export interface Bounds {
  /** Values below are pulled towards it. */
  lower: number;
  /** Values above are pulled towards it. */
  upper: number;
}

/**
 * Finds the bounds: `threshold` standard deviations around the mean of the values that are within as many of all values.
 *
 * @param column A transformed training column, at least one number.
 * @param threshold Standard deviations; 4 in the official code.
 * @param scratch Room for as many numbers.
 * @returns The bounds.
 */
export function fitBounds(
  column: Float64Array,
  threshold: number,
  scratch: Float64Array = new Float64Array(column.length),
): Bounds {
  const ddof = column.length > 1 ? 1 : 0;
  const all = bounds(column, threshold, ddof, scratch);
  const inside = new Float64Array(column.length);
  let count = 0;
  for (let i = 0; i < column.length; i++) {
    const x = column[i]!;
    if (x >= all.lower && x <= all.upper) inside[count++] = x;
  }
  // A small threshold can leave too few values to measure a spread; then the first bounds hold.
  if (count <= ddof) return all;
  return bounds(inside.subarray(0, count), threshold, ddof, scratch);
}

/**
 * Pulls values outside the bounds back to a logarithm's distance, in place.
 *
 * @param column The column.
 * @param limits What `fitBounds` found.
 */
export function applyBounds(column: Float64Array, limits: Bounds): void {
  const { lower, upper } = limits;
  for (let i = 0; i < column.length; i++) {
    let x = column[i]!;
    if (x < lower) x = Math.max(lower - Math.log1p(Math.abs(x)), x);
    if (x > upper) x = Math.min(upper + Math.log1p(Math.abs(x)), x);
    column[i] = x;
  }
}

function bounds(values: Float64Array, threshold: number, ddof: number, scratch: Float64Array): Bounds {
  const { mean, deviation } = moments(values, ddof, scratch);
  const reach = threshold * Math.max(deviation, SMALLEST_DEVIATION);
  return { lower: mean - reach, upper: mean + reach };
}
