/**
 * What MInference shows, by its description, as plain loops.
 *
 * @module
 */
import type { HeadSizes } from "./_test_heads.ts";
import type { MInferenceOptions } from "./minference.ts";

/** Which keys are visible by the description of the method, in float64; Uint8Array [heads, lq, lk]. */
export function expectedMask(
  q: Float32Array,
  k: Float32Array,
  { heads, kvHeads, lq, lk, headDim: width }: HeadSizes,
  { patterns, lastQ, forcedColumns, forcedDiagonals, blockSize, ratio }: MInferenceOptions,
): Uint8Array {
  const mask = new Uint8Array(heads * lq * lk);
  const offset = lk - lq;
  patterns!.forEach(([name, first, second], h) => {
    const [a, b] = [Math.trunc(first * ratio), Math.trunc(second * ratio)];
    const kv = Math.floor(h / (heads / kvHeads));
    const dot = (x: Float64Array, y: Float64Array): number =>
      x.reduce((sum, value, c) => sum + value * y[c]!, 0);
    const query = (i: number): Float64Array =>
      Float64Array.from(q.subarray((h * lq + i) * width, (h * lq + i + 1) * width));
    const key = (j: number): Float64Array =>
      Float64Array.from(k.subarray((kv * lk + j) * width, (kv * lk + j + 1) * width));
    const show = (sees: (position: number, j: number, block: number) => boolean): void => {
      for (let i = 0; i < lq; i++) {
        for (let j = 0; j <= i + offset; j++) {
          if (sees(i + offset, j, Math.floor(i / blockSize))) mask[(h * lq + i) * lk + j] = 1;
        }
      }
    };
    if (name === "stream_llm") return show((position, j) => j < a || position - j < b);
    if (name === "block_sparse") {
      const mean = (of: (i: number) => Float64Array, block: number, length: number): Float64Array => {
        const sum = new Float64Array(width);
        for (let i = block * blockSize; i < Math.min(length, (block + 1) * blockSize); i++) {
          of(i).forEach((value, c) => sum[c]! += value / blockSize);
        }
        return sum;
      };
      const chosen = Array.from({ length: Math.ceil(lq / blockSize) }, (_, r) => {
        const last = Math.min(lq, (r + 1) * blockSize) - 1 + offset;
        const scores = Array.from(
          { length: Math.floor(last / blockSize) + 1 },
          (_, c) => dot(mean(query, r, lq), mean(key, c, lk)),
        );
        return new Set(best(scores, a));
      });
      return show((_, j, block) => chosen[block]!.has(Math.floor(j / blockSize)));
    }
    const [vertical, slash] = [new Array<number>(lk).fill(0), new Array<number>(lk).fill(0)];
    for (let i = Math.max(0, lq - lastQ); i < lq; i++) {
      const scores = Array.from(
        { length: i + offset + 1 },
        (_, j) => dot(query(i), key(j)) / Math.sqrt(width),
      );
      const top = Math.max(...scores);
      const powers = scores.map((score) => Math.exp(score - top));
      const sum = powers.reduce((all, power) => all + power);
      powers.forEach((power, j) => {
        vertical[j]! += power / sum;
        slash[i + offset - j]! += power / sum;
      });
    }
    vertical.fill(Infinity, 0, forcedColumns);
    slash.fill(Infinity, 0, forcedDiagonals);
    const columns = new Set(best(vertical, Math.max(a, forcedColumns)));
    const diagonals = best(slash, Math.max(b, forcedDiagonals)).sort((x, y) => y - x);
    const covered = Array.from({ length: Math.ceil(lq / blockSize) }, (_, r) => {
      const end = offset + blockSize * (r + 1);
      const ranges: [number, number][] = [];
      for (const distance of diagonals) {
        if (distance >= end) continue;
        const e = Math.max(end - distance, blockSize);
        const range = ranges.at(-1);
        if (!range || e > range[1] + blockSize) ranges.push([e - blockSize, e]);
        else if (e > range[1]) range[1] += blockSize;
      }
      return ranges;
    });
    show((_, j, block) =>
      covered[block]!.some(([low, high]) => j >= low && j < high) ||
      columns.has(j) && j < covered[block]!.at(-1)![1]
    );
  });
  return mask;
}

/** The numbers of the largest, best first, lower ones first among equals. */
function best(scores: readonly number[], count: number): number[] {
  return [...scores.keys()].sort((x, y) => scores[x] === scores[y] ? x - y : scores[y]! > scores[x]! ? 1 : -1)
    .slice(0, count);
}
