/**
 * Single columns: distinct values, codes, means and gaps.
 *
 * @module
 */

import { compareCodePoints } from "./code_points.ts";
import { moments } from "./statistics.ts";

/**
 * Collects a column's distinct values.
 *
 * @param values Strings; null where missing.
 * @returns The values without null, sorted by code point.
 */
export function distinctSorted(values: readonly (string | null)[]): string[] {
  const distinct = new Set(values);
  distinct.delete(null);
  return ([...distinct] as string[]).sort(compareCodePoints);
}

/**
 * Writes the index of each value among the categories.
 *
 * @param values The column; null where missing.
 * @param categories The known values.
 * @param target Where the indices go; -1 for values that are missing or unknown.
 */
export function categoryCodes<T>(
  values: readonly (T | null)[],
  categories: readonly T[],
  target: Float64Array,
): void {
  const codes = new Map(categories.map((category, code) => [category, code]));
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? null;
    target[i] = value === null ? -1 : codes.get(value) ?? -1;
  }
}

/**
 * Computes the mean of the numbers that are there.
 *
 * @param values Numbers; NaN where missing.
 * @returns The mean, or undefined if all are missing.
 */
export function meanOfPresent(values: Float64Array): number | undefined {
  const present = values.filter((value) => !Number.isNaN(value));
  return present.length === 0 ? undefined : moments(present).mean;
}

/**
 * Replaces NaN in place.
 *
 * @param values The numbers.
 * @param filling What missing ones become.
 */
export function fillMissing(values: Float64Array, filling: number): void {
  for (let i = 0; i < values.length; i++) if (Number.isNaN(values[i]!)) values[i] = filling;
}
