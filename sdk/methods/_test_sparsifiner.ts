/**
 * A predictor of Sparsifiner in plain TypeScript and float64, for tests.
 *
 * @module
 */
import type { Random } from "../testing/random.ts";
import type { Heads } from "./_test_heads.ts";
import { shares } from "./_test_seer.ts";
import {
  mapRecord,
  SparsifinerPredictor,
  type SparsifinerSizes,
  weightShapes,
} from "./sparsifiner_predictor.ts";

/** A predictor with normal weights. */
export function randomPredictor(random: Random, sizes: SparsifinerSizes, std = 0.3): SparsifinerPredictor {
  const draw = (shape: readonly number[]): Float32Array =>
    random.normals(shape.reduce((all, n) => all * n, 1), std);
  return new SparsifinerPredictor(sizes, mapRecord(weightShapes(sizes), draw));
}

/** Coefficients of every head and query but the first, [heads][N - 1][vectors]. */
export function coefficients({ sizes, weights }: SparsifinerPredictor, sample: Heads): number[][][] {
  const { tokens, headDim, channels, vectors } = sizes;
  const { heads, kvHeads, q, k } = sample;
  const reduced = (x: Float32Array, row: number, w: Float32Array, b: Float32Array): number[] =>
    Array.from({ length: channels }, (_, c) => {
      let sum = b[c]!;
      for (let i = 0; i < headDim; i++) sum += x[row * headDim + i]! * w[c * headDim + i]!;
      return sum;
    });
  return Array.from({ length: heads }, (_, h) => {
    const pseudo = Array.from({ length: vectors }, () => new Array<number>(channels).fill(0));
    for (let j = 0; j < tokens; j++) {
      const row = Math.floor(h / (heads / kvHeads)) * tokens + j;
      const key = reduced(k, row, weights.keyWeight, weights.keyBias);
      pseudo.forEach((own, n) => key.forEach((x, c) => own[c]! += x * weights.project[j * vectors + n]!));
    }
    return Array.from({ length: tokens - 1 }, (_, i) => {
      const query = reduced(q, h * tokens + i + 1, weights.queryWeight, weights.queryBias);
      const logits = pseudo.map((own) => own.reduce((sum, x, c) => sum + x * query[c]!, 0));
      return shares(logits.map((logit) => logit / Math.sqrt(heads)));
    });
  });
}

/** Coefficients times basis vectors, [heads][N - 1][N]. */
export function mixed(
  coef: readonly (readonly (readonly number[])[])[],
  basis: ArrayLike<number>,
  { tokens, vectors }: SparsifinerSizes,
): number[][][] {
  return coef.map((head) =>
    head.map((row) =>
      Array.from(
        { length: tokens },
        (_, j) => row.reduce((sum, share, n) => sum + share * basis[j * vectors + n]!, 0),
      )
    )
  );
}

/**
 * The largest entries of a row: 1, 0, or NaN where rounding may decide; the lower index first where both are exactly 0.
 *
 * @param slack Differences that rounding may turn.
 */
export function largest(row: readonly number[], count: number, slack = 1e-6): number[] {
  const order = [...row.keys()].sort((a, b) => row[b]! - row[a]! || a - b);
  const [last, next] = [row[order[count - 1]!]!, row[order[count] ?? -1] ?? -Infinity];
  const rank = new Array<number>(row.length);
  order.forEach((at, n) => rank[at] = n);
  return row.map((x, at) => {
    const close = Math.abs(x - last) < slack && Math.abs(x - next) < slack;
    return close && (last !== 0 || next !== 0) ? NaN : Number(rank[at]! < count);
  });
}
