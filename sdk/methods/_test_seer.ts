/**
 * A gate of SeerAttention in plain TypeScript and float64, for tests.
 *
 * @module
 */
import type { Random } from "../testing/random.ts";
import type { Heads } from "./_test_heads.ts";
import { SeerGate, type SeerGateConfig } from "./seer_attention_gate.ts";

/** A gate with normal weights. */
export function randomGate(random: Random, config: SeerGateConfig, double: boolean, std = 0.3): SeerGate {
  const { heads, kvHeads, headDim, hidden, qPool, kPool } = config;
  return new SeerGate(config, {
    wk: random.normals((double ? kvHeads : heads) * kPool.length * headDim * hidden, std),
    wq: double ? random.normals(heads * qPool.length * headDim * hidden, std) : undefined,
  });
}

/** Logits of every head, query block and key block up to that of the query. */
export function gateLogits(gate: SeerGate, sample: Heads): number[][][] {
  const { heads, kvHeads, headDim, hidden, blockSize, qPool, kPool, ropeTheta } = gate.config;
  const { lq, lk, q, k } = sample;
  const pooled = (
    x: Float32Array,
    h: number,
    length: number,
    block: number,
    pools: readonly string[],
  ): number[] => {
    const rows = Array.from(
      { length: Math.min(length, (block + 1) * blockSize) - block * blockSize },
      (_, i) => x.subarray((h * length + block * blockSize + i) * headDim).subarray(0, headDim),
    );
    return pools.flatMap((pool) =>
      Array.from({ length: headDim }, (_, c) => {
        const values = rows.map((row) => row[c]!);
        if (pool === "max") return Math.max(...values);
        if (pool === "min") return Math.min(...values);
        return values.reduce((a, b) => a + b, 0) / values.length;
      })
    );
  };
  const times = (x: readonly number[], w: Float32Array | undefined, h: number): number[] =>
    w === undefined ? [...x] : Array.from(
      { length: hidden },
      (_, o) => x.reduce((sum, value, i) => sum + value * w[(h * x.length + i) * hidden + o]!, 0),
    );
  const rotated = (x: readonly number[], position: number): number[] =>
    x.map((value, c) => {
      const [half, i] = [hidden / 2, c % (hidden / 2)];
      const angle = position * ropeTheta ** (-2 * i / hidden);
      return c < half
        ? value * Math.cos(angle) - x[c + half]! * Math.sin(angle)
        : value * Math.cos(angle) + x[i]! * Math.sin(angle);
    });
  const first = (lk - lq) / blockSize;
  return Array.from({ length: heads }, (_, h) => {
    const kv = Math.floor(h / (heads / kvHeads));
    const keys = Array.from(
      { length: Math.ceil(lk / blockSize) },
      (_, c) => rotated(times(pooled(k, kv, lk, c, kPool), gate.wk, gate.wq ? kv : h), c * blockSize),
    );
    return Array.from({ length: Math.ceil(lq / blockSize) }, (_, r) => {
      const query = rotated(times(pooled(q, h, lq, r, qPool), gate.wq, h), (first + r) * blockSize);
      return keys.slice(0, first + r + 1).map((key) =>
        key.reduce((sum, value, i) => sum + value * query[i]!, 0) / Math.sqrt(hidden)
      );
    });
  });
}

/** Softmax of a row. */
export function shares(scores: readonly number[]): number[] {
  const powers = scores.map((score) => Math.exp(score - Math.max(...scores)));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

/** Settings of gates: one and two linear maps, odd sizes, one to eight query heads per key head. */
export const GATES: readonly (readonly [config: SeerGateConfig, double: boolean])[] = [
  [{
    heads: 2,
    kvHeads: 1,
    headDim: 6,
    hidden: 6,
    blockSize: 8,
    qPool: ["avg"],
    kPool: ["max", "min", "avg"],
    ropeTheta: 10_000,
  }, false],
  [{
    heads: 4,
    kvHeads: 2,
    headDim: 5,
    hidden: 8,
    blockSize: 7,
    qPool: ["max", "avg"],
    kPool: ["min"],
    ropeTheta: 500,
  }, true],
  [{
    heads: 8,
    kvHeads: 1,
    headDim: 4,
    hidden: 4,
    blockSize: 4,
    qPool: ["min"],
    kPool: ["max", "avg"],
    ropeTheta: 100_000,
  }, true],
  [
    {
      heads: 1,
      kvHeads: 1,
      headDim: 2,
      hidden: 2,
      blockSize: 1,
      qPool: ["max"],
      kPool: ["avg"],
      ropeTheta: 10,
    },
    false,
  ],
];
