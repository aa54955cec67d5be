/**
 * The rules of MMInference in plain loops over pairs of tokens.
 *
 * @module
 */
import type { Random } from "../testing/random.ts";
import { type MmHead, type MmInter, type MmPattern, patternOf } from "./mminference_patterns.ts";

/** A prompt of one layer. */
export interface Prompt {
  readonly heads: readonly MmHead[];
  readonly kvHeads: number;
  readonly headDim: number;
  readonly lq: number;
  readonly modality: readonly number[];
  readonly lastQ: number;
  readonly q: Float32Array;
  readonly k: Float32Array;
}

/** Which keys every query sees: [heads, lq, lk]. */
export function visiblePairs(prompt: Prompt): Uint8Array {
  const { heads, lq, modality } = prompt;
  const lk = modality.length;
  const names = [...new Set(modality)].sort((a, b) => a - b);
  const mask = new Uint8Array(heads.length * lq * lk);
  heads.forEach((head, h) => {
    for (const a of head.inter === "none" ? [undefined] : names) {
      for (const b of head.inter === "2d" ? names : [undefined]) {
        const positions = Array.from({ length: lq }, (_, i) => i + lk - lq)
          .filter((i) => a === undefined || modality[i] === a);
        const keys = modality.flatMap((name, j) => b === undefined || name === b ? [j] : []);
        const pattern = patternOf(head, a === undefined ? "all" : b === undefined ? `q${a}` : `q${a}k${b}`);
        if (positions.length === 0 || !pattern) continue;
        const sees = ruleOf(prompt, h, pattern, positions, keys);
        for (const i of positions) {
          const c = keys.filter((j) => j <= i).length - 1;
          for (let r = 0; r <= c; r++) if (sees(r, c)) mask[(h * lq + i - lk + lq) * lk + keys[r]!] = 1;
        }
      }
    }
  });
  return mask;
}

/** Whether the key of rank r is visible where c + 1 keys have been seen. */
function ruleOf(
  prompt: Prompt,
  h: number,
  pattern: MmPattern,
  positions: readonly number[],
  keys: readonly number[],
): (r: number, c: number) => boolean {
  if (pattern.type === "dense") return () => true;
  const { init, local } = pattern;
  if (pattern.type === "a_shape") return (r, c) => r < init || c - r < local;
  const last = positions.slice(-prompt.lastQ);
  const columns = new Float64Array(keys.length);
  const distances = new Float64Array(keys.length);
  for (const i of last) {
    const c = keys.filter((j) => j <= i).length - 1;
    const mass = softmax(keys.slice(0, c + 1).map((j) => score(prompt, h, i, j)));
    mass.forEach((p, r) => {
      columns[r]! += p;
      distances[c - r]! += p;
    });
  }
  if (pattern.type === "vertical_slash") {
    const vertical = largest(columns, Math.max(pattern.nv, init), init);
    const slash = largest(distances, Math.max(pattern.ns, local), local);
    return (r, c) => vertical.has(r) || slash.has(c - r);
  }
  columns.fill(0, 0, init);
  const total = columns.reduce((a, b) => a + b, 0);
  let [best, s, p] = [-Infinity, 0, 0];
  for (const stride of pattern.strides) {
    for (let phase = 0; phase < stride; phase++) {
      const members = Array.from(columns.keys()).filter((r) => r >= init && r % stride === phase);
      const share = members.length / Math.max(1, keys.length - init);
      const excess = members.reduce((sum, r) => sum + columns[r]!, 0) - total * share;
      // Rounding may not decide between candidates with the same members.
      if (excess > best + 1e-9) [best, s, p] = [excess, stride, phase];
    }
  }
  return (r, c) =>
    r < init || c - r < local || (pattern.vline && r % s === p) || (pattern.hline && c % s === p) ||
    (pattern.slash && (c - r) % s === 0);
}

function score(
  { heads, kvHeads, headDim, lq, modality, q, k }: Prompt,
  h: number,
  i: number,
  j: number,
): number {
  const lk = modality.length;
  const row = (h * lq + i - lk + lq) * headDim;
  const key = (Math.floor(h * kvHeads / heads.length) * lk + j) * headDim;
  let sum = 0;
  for (let d = 0; d < headDim; d++) sum += q[row + d]! * k[key + d]!;
  return sum / Math.sqrt(headDim);
}

function softmax(scores: readonly number[]): number[] {
  const top = Math.max(...scores);
  const powers = scores.map((one) => Math.exp(one - top));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

function largest(values: Float64Array, count: number, forced: number): Set<number> {
  const at = (i: number): number => i < forced ? Infinity : values[i]!;
  const order = Array.from(values.keys()).sort((a, b) => at(a) === at(b) ? a - b : at(a) > at(b) ? -1 : 1);
  return new Set(order.slice(0, count));
}

/** A pattern with small sizes. */
export function anyPattern(random: Random): MmPattern {
  const ends = { init: random.int(0, 5), local: random.int(0, 9) };
  const flag = (): boolean => random.uniform() < 0.5;
  const [nv, ns] = [random.int(0, 20), random.int(0, 20)];
  const strides = random.pick([[3], [8, 5], [4, 12, 24], [7, 7, 100], [1, 2]]);
  return random.pick<MmPattern>([
    { type: "dense" },
    { type: "a_shape", ...ends },
    { type: "vertical_slash", nv, ns, ...ends },
    { type: "grid", strides, hline: flag(), vline: flag(), slash: flag(), ...ends },
    { type: "grid", strides, hline: flag(), vline: flag(), slash: flag(), ...ends },
  ]);
}

/** A head with a pattern for everything that these modalities can need. */
export function anyHead(random: Random, modalities: readonly number[], pattern = anyPattern): MmHead {
  const inter = random.pick<MmInter>(["none", "q", "2d"]);
  const cells = inter === "none"
    ? ["all"]
    : modalities.flatMap((a) => inter === "q" ? [`q${a}`] : modalities.map((b) => `q${a}k${b}`));
  return { inter, ...Object.fromEntries(cells.map((cell) => [cell, pattern(random)])) };
}
