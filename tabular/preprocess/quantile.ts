/**
 * The quantile methods: a column's place among the training quantiles, mapped to a normal distribution (SPEC 7.3 b).
 *
 * @module
 */

import { initGenrand, type Mt19937 } from "./mt19937.ts";
import { normalQuantile } from "./normal_quantile.ts";

const MAX_REFERENCES = 1000;
const EDGE = 1e-7;
/** Columns longer than this are fitted on a random part of their rows. */
const MAX_ROWS = 10_000;

// scikit-learn's order: the clip is at a hair less than the edge.
const LOWEST = normalQuantile(EDGE - Number.EPSILON);
const HIGHEST = normalQuantile(1 - (EDGE - Number.EPSILON));

/**
 * Counts the quantiles of the method `quantile`.
 *
 * @param rows Training rows.
 * @returns min(1000, rows).
 */
export function quantileCount(rows: number): number {
  return Math.min(MAX_REFERENCES, rows);
}

/**
 * Counts the quantiles of the method `quantile_rtdl`.
 *
 * @param rows Training rows.
 * @returns One per 30 rows, from 10 to 1000, at most `rows`.
 */
export function rtdlQuantileCount(rows: number): number {
  return Math.min(rows, Math.max(10, Math.min(MAX_REFERENCES, Math.floor(rows / 30))));
}

/**
 * Makes the places of the quantiles: `count` equal steps from 0 to 1.
 *
 * @param count The number of quantiles, at least 1.
 * @returns The places. The rounding (a rounded step, multiplied) is part of the method: it decides about tied values.
 */
export function quantileReferences(count: number): Float64Array {
  const references = new Float64Array(count);
  if (count === 1) return references;
  const step = 1 / (count - 1);
  for (let i = 0; i < count; i++) references[i] = i * step;
  references[count - 1] = 1;
  return references;
}

/**
 * Computes one quantile of sorted numbers, linear between neighbours.
 *
 * @param sorted The numbers, ascending, at least one.
 * @param place From 0 to 1.
 * @returns The quantile.
 */
export function quantileOfSorted(sorted: Float64Array, place: number): number {
  const position = place * (sorted.length - 1);
  const before = Math.floor(position);
  const low = sorted[before]!;
  const high = sorted[Math.min(before + 1, sorted.length - 1)]!;
  const part = position - before;
  const step = high - low;
  return part < 0.5 ? low + step * part : high - step * (1 - part);
}

/**
 * Computes the training quantiles of one column.
 *
 * @param sorted The column (or its part chosen by `subsampleRows`), ascending.
 * @param references The places, from `quantileReferences`.
 * @returns One quantile per place, never decreasing.
 */
export function fitQuantiles(sorted: Float64Array, references: Float64Array): Float64Array {
  const quantiles = new Float64Array(references.length);
  let highest = -Infinity;
  for (let i = 0; i < quantiles.length; i++) {
    // Percentages there and back: not always the same double.
    highest = Math.max(highest, quantileOfSorted(sorted, (references[i]! * 100) / 100));
    quantiles[i] = highest;
  }
  return quantiles;
}

/**
 * Maps a column to a normal distribution, in place.
 *
 * @param column The scaled column.
 * @param quantiles Its training quantiles.
 * @param references Their places.
 */
export function applyQuantiles(
  column: Float64Array,
  quantiles: Float64Array,
  references: Float64Array,
): void {
  const first = quantiles[0]!;
  const last = quantiles[quantiles.length - 1]!;
  for (let i = 0; i < column.length; i++) {
    const z = column[i]!;
    if (z - EDGE < first) column[i] = LOWEST;
    else if (z + EDGE > last) column[i] = HIGHEST;
    else {
      // The mean of the places of the last and of the first quantile of a run of equal ones.
      const place = 0.5 *
        (placeFromBelow(z, quantiles, references) + placeFromAbove(z, quantiles, references));
      const x = normalQuantile(place);
      column[i] = x < LOWEST ? LOWEST : x > HIGHEST ? HIGHEST : x;
    }
  }
}

/**
 * Chooses the rows on which the quantiles of a long table are fitted, by NumPy's legacy generator.
 *
 * @param rows Training rows.
 * @param seed An integer; its low 32 bits count.
 * @returns 10000 row indices, or undefined when all rows are used.
 */
export function subsampleRows(rows: number, seed: number): Uint32Array | undefined {
  if (rows <= MAX_ROWS) return undefined;
  const twister = initGenrand(seed);
  const order = Uint32Array.from({ length: rows }, (_, i) => i);
  for (let i = rows - 1; i > 0; i--) {
    const j = boundedDraw(twister, i);
    const held = order[i]!;
    order[i] = order[j]!;
    order[j] = held;
  }
  return order.slice(0, MAX_ROWS);
}

/** A uniform integer from 0 to `max`: masked bits, drawn again while too large. */
function boundedDraw(twister: Mt19937, max: number): number {
  const mask = 0xffff_ffff >>> Math.clz32(max);
  let drawn = (twister.next() & mask) >>> 0;
  while (drawn > max) drawn = (twister.next() & mask) >>> 0;
  return drawn;
}

/** Piecewise linear between quantiles; at a run of equal quantiles the place of the last. */
function placeFromBelow(z: number, quantiles: Float64Array, references: Float64Array): number {
  let low = 0;
  let high = quantiles.length;
  // Afterwards `low` quantiles are at most z.
  while (low < high) {
    const middle = (low + high) >> 1;
    if (quantiles[middle]! <= z) low = middle + 1;
    else high = middle;
  }
  const j = low - 1;
  if (j < 0) return references[0]!;
  if (low === quantiles.length || quantiles[j] === z) return references[j]!;
  const slope = (references[low]! - references[j]!) / (quantiles[low]! - quantiles[j]!);
  return slope * (z - quantiles[j]!) + references[j]!;
}

/** The same seen from the other end: at a run of equal quantiles the place of the first. */
function placeFromAbove(z: number, quantiles: Float64Array, references: Float64Array): number {
  let low = 0;
  let high = quantiles.length;
  // Afterwards quantile `low` is the first that is at least z.
  while (low < high) {
    const middle = (low + high) >> 1;
    if (quantiles[middle]! < z) low = middle + 1;
    else high = middle;
  }
  if (low === quantiles.length) return references[low - 1]!;
  if (low === 0 || quantiles[low] === z) return references[low]!;
  const slope = (references[low]! - references[low - 1]!) / (quantiles[low]! - quantiles[low - 1]!);
  return references[low]! - slope * (quantiles[low]! - z);
}
