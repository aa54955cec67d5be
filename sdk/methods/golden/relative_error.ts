/**
 * How far an output is from another, as one number.
 *
 * @module
 */

/** The Frobenius norm of the difference, as a share of that of the expected output. */
export function relativeError(actual: Float32Array, expected: Float32Array): number {
  const norm = (values: Float32Array): number => Math.sqrt(values.reduce((sum, x) => sum + x * x, 0));
  return norm(actual.map((value, i) => value - expected[i]!)) / norm(expected);
}
