/**
 * Scalar functions in float64.
 *
 * @module
 */

/** The error function, by its series of positive terms (Abramowitz and Stegun 7.1.6): no cancellation. */
export function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

/** The exact GELU: x times the normal distribution function. */
export function gelu(x: number): number {
  if (x === -Infinity) return 0;
  return 0.5 * x * (1 + erf(x / Math.SQRT2));
}

/** x times its sigmoid. */
export function silu(x: number): number {
  return x === -Infinity ? 0 : x / (1 + Math.exp(-x));
}

/** The number of an activation applied to a sum: none, gelu, silu, relu. */
export function activate(code: number, x: number): number {
  return code === 1 ? gelu(x) : code === 2 ? silu(x) : code === 3 ? Math.max(x, 0) : x;
}
