/**
 * The power method: the Yeo-Johnson transform with its parameter by maximum likelihood (Yeo and Johnson 2000; SPEC 7.3 b).
 *
 * @module
 */

import { minimize } from "./_brent.ts";
import { isConstant, moments, pairwiseSum } from "./statistics.ts";

/** Below this variance a transformed column has lost its values; such parameters are refused. */
const TINY = 2.2250738585072014e-308;

/**
 * Transforms a column by Yeo-Johnson, in place.
 *
 * @param column The scaled column.
 * @param lambda The parameter: 1 leaves the column as it is.
 */
export function yeoJohnson(column: Float64Array, lambda: number): void {
  const logAbove = Math.abs(lambda) < Number.EPSILON;
  const logBelow = Math.abs(lambda - 2) <= Number.EPSILON;
  for (let i = 0; i < column.length; i++) {
    const z = column[i]!;
    if (z >= 0) column[i] = logAbove ? Math.log1p(z) : (Math.pow(z + 1, lambda) - 1) / lambda;
    else column[i] = logBelow ? -Math.log1p(-z) : -(Math.pow(1 - z, 2 - lambda) - 1) / (2 - lambda);
  }
}

/**
 * Finds the parameter that makes a column most like a normal one.
 *
 * @param column The scaled training column.
 * @param scratch Two arrays of the same length.
 * @returns The parameter; 1 for a numerically constant column.
 */
export function fitPower(
  column: Float64Array,
  scratch: readonly [Float64Array, Float64Array] = [
    new Float64Array(column.length),
    new Float64Array(column.length),
  ],
): number {
  const [transformed, squares] = scratch;
  const count = column.length;
  const { mean, variance } = moments(column, 0, squares);
  if (isConstant(variance, mean, count)) return 1;
  for (let i = 0; i < count; i++) squares[i] = Math.sign(column[i]!) * Math.log1p(Math.abs(column[i]!));
  const logSum = pairwiseSum(squares);
  const lambda = minimize(
    (candidate) => {
      transformed.set(column);
      yeoJohnson(transformed, candidate);
      const spread = moments(transformed, 0, squares).variance;
      if (spread < TINY) return Infinity;
      return count / 2 * Math.log(spread) - (candidate - 1) * logSum;
    },
    -2,
    2,
  );
  return Number.isFinite(lambda) ? lambda : 1;
}
