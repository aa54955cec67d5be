/**
 * The mass of attention in every tile of the map.
 *
 * @module
 */
import type { Device, Scope } from "../device/device.ts";
import { expectFinite, expectInt, expectRank, expectShape, use } from "../device/ops/_check.ts";
import { binary } from "../device/ops/binary.ts";
import { concat } from "../device/ops/concat.ts";
import { full } from "../device/ops/fill.ts";
import { groupSum } from "../device/ops/group_mean.ts";
import { matmul } from "../device/ops/matmul.ts";
import { reshape } from "../device/ops/reshape.ts";
import { slice } from "../device/ops/slice.ts";
import { unary } from "../device/ops/unary.ts";
import { scoped } from "../device/scoped.ts";
import type { Tensor } from "../device/tensor.ts";

/** Options of {@linkcode tileMass}. */
export interface TileMassOptions {
  /** Queries per tile. */
  readonly blockQ: number;
  /** Keys per tile. */
  readonly tileK: number;
  /** Factor of every score. @default 1 / sqrt(D) */
  readonly scale?: number;
}

/** Scores that are held at once. */
const CHUNK = 1 << 22;

/** A weight under a log-sum-exp of other queries may pass 1; as an exponent this keeps sums of any length finite. */
const MOST = 64;

/**
 * Sums exp(score - lse) over every tile of the map, from chunks of rows: no map of Lq x Lk lies in memory.
 *
 * With the log-sum-exp of these scores the sums are of attention weights, and a row of tiles sums to its number of queries; one of an earlier
 * denoising step may serve too. A last tile that is not full is the sum of what it has.
 *
 * @param d Receives the result.
 * @param q [Hq, Lq, D], float32.
 * @param k [Hkv, Lk, D], float32; Hkv divides Hq.
 * @param lse [Hq, Lq].
 * @returns [Hq, ceil(Lq / blockQ), ceil(Lk / tileK)].
 * @example
 * ```ts
 * import { attention, openDevice } from "../../mod.ts";
 * import { tileMass } from "./tile_mass.ts";
 *
 * const device = await openDevice();
 * const x = device.tensor(new Float32Array(2 * 100 * 16), [2, 100, 16]);
 * const { lse } = attention(device, x, x, x, { lse: true });
 * const mass = tileMass(device, x, x, lse, { blockQ: 32, tileK: 32 });
 * console.log(mass.shape); // 2, 4, 4
 * device.dispose();
 * ```
 * @throws RangeError if shapes do not fit.
 */
export function tileMass(d: Device, q: Tensor, k: Tensor, lse: Tensor, options: TileMassOptions): Tensor {
  for (const [name, x] of [["q", q], ["k", k], ["lse", lse]] as const) use(d, "tileMass", name, x);
  expectRank("tileMass", "q", q, 3, 3);
  expectRank("tileMass", "k", k, 3, 3);
  const [heads, lq, width] = q.shape as [number, number, number];
  const [kvHeads, lk, kWidth] = k.shape as [number, number, number];
  if (width !== kWidth || (kvHeads === 0 ? heads > 0 : heads % kvHeads > 0)) {
    throw new RangeError(
      `Cannot run tileMass: "q" [${q.shape}] and "k" [${k.shape}] do not fit, expected [Hq, Lq, D] and [Hkv, Lk, D] with Hkv a divisor of Hq`,
    );
  }
  expectShape("tileMass", "lse", lse, [heads, lq], "one per query");
  const { blockQ, tileK, scale: alpha = width > 0 ? 1 / Math.sqrt(width) : 1 } = options;
  expectInt("tileMass", "blockQ", blockQ, 1);
  expectInt("tileMass", "tileK", tileK, 1);
  expectFinite("tileMass", "scale", alpha);
  const [nQ, nK] = [Math.ceil(lq / blockQ), Math.ceil(lk / tileK)];
  if (heads * nQ * nK === 0) return d.empty([heads, nQ, nK]);

  const group = heads / kvHeads;
  const blockScores = group * Math.min(blockQ, lq) * lk;
  const kvStep = Math.min(kvHeads, Math.max(1, Math.floor(CHUNK / blockScores)));
  const rowStep = blockQ * Math.max(1, Math.floor(CHUNK / (kvStep * blockScores)));
  const perHeads = (all: Scope, head: number, end: number): Tensor =>
    scoped(all, (s) => {
      const own = (x: Tensor, each: number): Tensor => slice(s, x, 0, head * each, end * each);
      const [queries, keys, sums] = [own(q, group), own(k, 1), own(lse, group)];
      const chunk = (row: number, stop: number): Tensor =>
        scoped(s, (c) => {
          const rows = slice(c, queries, 1, row, stop);
          const shape = [(end - head) * group, stop - row] as const;
          const grouped = reshape(c, rows, [end - head, group * (stop - row), width]);
          const scores = reshape(c, matmul(c, grouped, keys, { alpha }), [...shape, lk]);
          const logs = binary(c, "sub", scores, slice(c, sums, 1, row, stop), { axis: "rows" });
          const weights = unary(c, "exp", binary(c, "min", logs, full(c, [1], MOST)));
          const byRow = groupSum(c, weights, blockQ);
          const blocks = byRow.shape[1]!;
          const tiles = groupSum(c, reshape(c, byRow, [shape[0] * blocks, lk, 1]), tileK);
          return reshape(c, tiles, [shape[0], blocks, nK]);
        });
      return concat(s, cuts(lq, rowStep).map(([row, stop]) => chunk(row, stop)), 1);
    });
  return scoped(
    d,
    (all) => concat(all, cuts(kvHeads, kvStep).map(([head, end]) => perHeads(all, head, end)), 0),
  );
}

/** Parts of at most `step` of 0 to `length`: begin and end. */
function cuts(length: number, step: number): readonly (readonly [number, number])[] {
  return Array.from(
    { length: Math.ceil(length / step) },
    (_, i) => [i * step, Math.min(length, (i + 1) * step)] as const,
  );
}
