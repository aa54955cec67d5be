/**
 * Double Sparsity in plain numbers, for its tests.
 *
 * @module
 */
import { fromHalf, toHalf } from "../device/half.ts";
import { assertEquals } from "../testing/assert.ts";
import type { LabelBits } from "./double_sparsity_labels.ts";

/** A cache and the query of its newest token. */
export interface OracleSample {
  readonly queryHeads: number;
  readonly heads: number;
  readonly headDim: number;
  readonly length: number;
  /** [queryHeads, headDim]. */
  readonly q: Float32Array<ArrayBuffer>;
  /** [heads, length, headDim]. */
  readonly k: Float32Array<ArrayBuffer>;
}

/** How labels are made, and lists of them. */
export interface OracleOptions {
  /** Per query head, or per key head. */
  readonly channels: readonly (readonly number[])[];
  readonly labelBits: LabelBits;
  readonly quantiseQuery: boolean;
  readonly forceLast: boolean;
  readonly tokens: number;
}

/** The approximate score of every token, per list. */
export function oracleScores(sample: OracleSample, options: OracleOptions): Float64Array[] {
  const { queryHeads, heads, headDim, length, q, k } = sample;
  const { channels, labelBits: bits, quantiseQuery } = options;
  const group = queryHeads / channels.length;
  return channels.map((own, list) => {
    const query = own.map(() => 0);
    for (let h = list * group; h < (list + 1) * group; h++) {
      const labels = own.map((channel) => q[h * headDim + channel]!);
      stored(labels, quantiseQuery && bits !== 16 ? bits : 32).forEach((label, c) => query[c]! += label);
    }
    const kvHead = Math.floor(list * heads / channels.length);
    return Float64Array.from({ length }, (_, t) => {
      const labels = stored(own.map((channel) => k[(kvHead * length + t) * headDim + channel]!), bits);
      return labels.reduce((sum, label, c) => sum + label * query[c]!, 0) / Math.sqrt(own.length);
    });
  });
}

/**
 * Asserts that lists name the tokens that score best.
 *
 * @param list [lists, tokens].
 */
export function assertBest(list: Int32Array, sample: OracleSample, options: OracleOptions): void {
  const { tokens, forceLast } = options;
  assertValid(list, sample.length, tokens);
  oracleScores(sample, options).forEach((scores, row) => {
    const last = sample.length - 1;
    if (forceLast) scores[last] = Infinity;
    const own = list.subarray(row * tokens, (row + 1) * tokens);
    const threshold = scores.toSorted().at(-tokens)!;
    // Sums in another order may exchange tokens whose scores hardly differ.
    const slack = 1e-5 *
      scores.reduce((most, s) => Number.isFinite(s) ? Math.max(most, Math.abs(s)) : most, 0);
    assertEquals(Array.from(own).filter((t) => !(scores[t]! >= threshold - slack)), []);
    if (forceLast) assertEquals(own.includes(last), true);
  });
}

/** Asserts that every list names different tokens of the cache. */
export function assertValid(list: Int32Array, length: number, tokens: number): void {
  for (let first = 0; first < list.length; first += tokens) {
    const own = list.subarray(first, first + tokens);
    assertEquals(new Set(own).size, tokens);
    assertEquals(own.every((t) => t >= 0 && t < length), true);
  }
}

/** Labels as they come out of the cache. */
function stored(labels: readonly number[], bits: number): number[] {
  if (bits === 32) return [...labels];
  if (bits === 16) return labels.map((label) => fromHalf(toHalf(label)));
  const [low, high] = [Math.min(...labels), Math.max(...labels)];
  const most = 2 ** bits - 1;
  if (low === high) return [...labels];
  // As float32 does it, so that no code differs.
  const range = Math.fround(high - low);
  const [step, inverse] = [Math.fround(range / most), Math.fround(most / range)];
  return labels.map((label) => low + step * even(Math.fround(Math.fround(label - low) * inverse)));
}

/** To the nearest whole number, ties to even. */
function even(value: number): number {
  const floor = Math.floor(value);
  const part = value - floor;
  return part > 0.5 || (part === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}
