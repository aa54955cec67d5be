/**
 * The standardisation that ends the power and quantile_rtdl methods (SPEC 7.3 b).
 *
 * @module
 */

import { isConstant, moments } from "./statistics.ts";

/** What is remembered of one column. */
export interface Standard {
  /** The training mean. */
  mean: number;
  /** The population standard deviation; 1 for a numerically constant column. */
  scale: number;
}

/**
 * Measures a transformed training column.
 *
 * @param column At least one finite number.
 * @param scratch Room for as many numbers.
 * @returns Its mean and scale.
 */
export function fitStandard(column: Float64Array, scratch?: Float64Array): Standard {
  const { mean, deviation, variance } = moments(column, 0, scratch);
  return { mean, scale: isConstant(variance, mean, column.length) ? 1 : deviation };
}

/**
 * Computes (x - mean) / scale in place.
 *
 * @param column The column.
 * @param standard What `fitStandard` measured.
 */
export function applyStandard(column: Float64Array, standard: Standard): void {
  for (let i = 0; i < column.length; i++) column[i] = (column[i]! - standard.mean) / standard.scale;
}
