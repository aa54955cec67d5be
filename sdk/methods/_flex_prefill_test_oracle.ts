/**
 * What FlexPrefill shows, by its description, as plain loops.
 *
 * @module
 */
import type { FlexPrefillOptions } from "./flex_prefill.ts";

/** What is expected of a head. */
export interface Expected {
  readonly aware: boolean;
  readonly distance: number;
  readonly counts: readonly [number, number];
  /** [nQ][nK] */
  readonly blocks: readonly (readonly boolean[])[];
}

/** One head by the description of the method, in float64. */
export function expectedHead(
  q: readonly (readonly number[])[],
  k: readonly (readonly number[])[],
  options: FlexPrefillOptions,
): Expected {
  const { blockSize: b, gamma, tau, minBudget, maxBudget } = options;
  const [lq, lk, width] = [q.length, k.length, k[0]!.length];
  const [nK, first] = [Math.ceil(lk / b), (lk - lq) / b];
  const nQ = nK - first;
  const low = Math.max(1, Math.ceil(minBudget / b));
  const high = maxBudget === null ? nK : Math.min(nK, Math.ceil(maxBudget / b));
  const dot = (x: readonly number[], y: readonly number[]): number =>
    x.reduce((sum, value, c) => sum + value * y[c]!, 0) / Math.sqrt(width);
  const mean = (rows: readonly (readonly number[])[]): number[] =>
    Array.from({ length: width }, (_, c) => rows.reduce((sum, row) => sum + row[c]! / rows.length, 0));
  const keys = Array.from({ length: nK }, (_, block) => mean(k.slice(block * b, (block + 1) * b)));

  const n = Math.min(b, lq);
  const [vertical, slash] = [new Array<number>(lk).fill(0), new Array<number>(lk).fill(0)];
  for (let i = lq - n; i < lq; i++) {
    const position = i + lk - lq;
    softmax(k.slice(0, position + 1).map((key) => dot(q[i]!, key))).forEach((p, j) => {
      vertical[j]! += p / n;
      slash[lk - 1 - (position - j)]! += p / n;
    });
  }
  const cover = (scores: readonly number[]): number => {
    let [sum, count] = [0, 1];
    for (const score of [...scores].sort((x, y) => y - x)) {
      sum += score;
      if (sum <= gamma) count++;
    }
    return Math.min(high, Math.max(low, Math.floor(count / (options.coverDiv ?? b)) + 1));
  };
  const blockSums = (scores: readonly number[]): number[] =>
    Array.from(
      { length: nK },
      (_, block) => scores.slice(block * b, (block + 1) * b).reduce((sum, score) => sum + score, 0),
    );
  const [vb, sb] = [blockSums(vertical), blockSums(slash)];
  const estimate = softmax(keys.map((key) => dot(mean(q.slice(lq - n)), key)));
  const divergence = [estimate, vb].flatMap((x) =>
    x.map((value, c) => value === 0 ? 0 : 0.5 * value * Math.log(value / ((estimate[c]! + vb[c]!) / 2)))
  );
  const distance = Math.sqrt(Math.max(0, divergence.reduce((sum, term) => sum + term)));
  const aware = distance < tau;
  const counts: [number, number] = aware ? [low, low] : [cover(vertical), cover(slash)];
  vb[0] = Infinity;
  sb[nK - 1] = Infinity;
  const columns = descending(vb).slice(0, counts[0]);
  const offsets = descending(sb).slice(0, counts[1]).map((c) => nK - 1 - c);
  const blocks = Array.from({ length: nQ }, (_, r) =>
    Array.from({ length: nK }, (_, c) => {
      const row = first + r;
      return c <= row && (columns.includes(c) || offsets.includes(row - c));
    }));
  if (aware) {
    const map = Array.from({ length: nQ }, (_, r) => {
      const query = mean(q.slice(r * b, (r + 1) * b));
      const row = softmax(keys.slice(0, first + r + 1).map((key) => dot(query, key)));
      return [...row, ...new Array<number>(nK - row.length).fill(0)];
    }).flat();
    let sum = 0;
    for (const at of descending(map)) {
      sum += map[at]!;
      if (sum <= gamma * nQ && map[at]! > 0) blocks[Math.floor(at / nK)]![at % nK] = true;
    }
  }
  return { aware, distance, counts, blocks };
}

function softmax(scores: readonly number[]): number[] {
  const top = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - top));
  const sum = powers.reduce((all, power) => all + power);
  return powers.map((power) => power / sum);
}

function descending(scores: readonly number[]): number[] {
  return [...scores.keys()].sort((x, y) =>
    scores[x] === scores[y] ? x - y : scores[y]! > scores[x]! ? 1 : -1
  );
}
