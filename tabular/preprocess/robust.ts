/**
 * The robust method: centre at the median, divide by the normalised interquartile range (SPEC 7.3 b).
 *
 * @module
 */

import { quantileOfSorted } from "./quantile.ts";

/** ppf(0.75) - ppf(0.25) of the normal distribution. */
const NORMAL_RANGE = 1.3489795003921634;
const SMALLEST = 10 * Number.EPSILON;

/** What is remembered of one column. */
export interface Robust {
  /** The median. */
  center: number;
  /** The interquartile range (1 if it is 0) over that of a standard normal distribution. */
  scale: number;
}

/**
 * Measures a scaled training column.
 *
 * @param sorted The column, ascending.
 * @returns Its centre and scale.
 */
export function fitRobust(sorted: Float64Array): Robust {
  const range = quantileOfSorted(sorted, 0.75) - quantileOfSorted(sorted, 0.25);
  return {
    center: quantileOfSorted(sorted, 0.5),
    scale: (range < SMALLEST ? 1 : range) / NORMAL_RANGE,
  };
}

/**
 * Computes (z - center) / scale in place.
 *
 * @param column The scaled column.
 * @param robust What `fitRobust` measured.
 */
export function applyRobust(column: Float64Array, robust: Robust): void {
  for (let i = 0; i < column.length; i++) column[i] = (column[i]! - robust.center) / robust.scale;
}
