/**
 * Comparison of values that must be equal.
 *
 * @module
 */
import type { Check } from "../../sdk/golden/check.ts";

/**
 * Compares two values by their JSON.
 *
 * @param name What is compared.
 * @param actual The computed value.
 * @param expected The recorded one.
 * @returns A check whose error is 0 or Infinity.
 */
export function compareExactly(name: string, actual: unknown, expected: unknown): Check {
  const ok = JSON.stringify(actual) === JSON.stringify(expected);
  return { name, maxError: ok ? 0 : Infinity, tolerance: 0, ok };
}
