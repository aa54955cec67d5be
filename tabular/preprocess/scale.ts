/**
 * The first step of every pipeline: centre, divide by the spread, clip (SPEC 7.3 a).
 *
 * @module
 */

import { moments } from "./statistics.ts";

const LIMIT = 100;
const EPSILON = 1e-6;

/** What is remembered of one column. */
export interface Scale {
  /** The training mean. */
  mean: number;
  /** The population standard deviation plus 1e-6. */
  divisor: number;
}

/**
 * Measures a training column.
 *
 * @param column At least one finite number.
 * @param scratch Room for as many numbers.
 * @returns Its mean and divisor.
 */
export function fitScale(column: Float64Array, scratch?: Float64Array): Scale {
  const { mean, deviation } = moments(column, 0, scratch);
  return { mean, divisor: deviation + EPSILON };
}

/**
 * Computes clip((x - mean) / divisor, -100, 100).
 *
 * @param source The column.
 * @param target Where the result goes; may be the source.
 * @param scale What `fitScale` measured.
 */
export function applyScale(source: Float64Array, target: Float64Array, scale: Scale): void {
  const { mean, divisor } = scale;
  for (let i = 0; i < source.length; i++) {
    let difference = source[i]! - mean;
    // Two finite numbers of opposite sign can be further apart than the largest number.
    if (!Number.isFinite(difference)) difference = source[i]! / 2 - mean / 2;
    const z = difference / divisor;
    target[i] = z < -LIMIT ? -LIMIT : z > LIMIT ? LIMIT : z;
  }
}
