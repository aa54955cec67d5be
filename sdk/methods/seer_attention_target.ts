/**
 * What a SeerAttention gate is trained to predict.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { binary } from "../device/ops/binary.ts";
import { concat } from "../device/ops/concat.ts";
import { groupMax } from "../device/ops/group_mean.ts";
import { reduce } from "../device/ops/reduce.ts";
import { reshape } from "../device/ops/reshape.ts";
import { slice } from "../device/ops/slice.ts";
import { softmax } from "../device/ops/softmax.ts";
import { scoped } from "../device/scoped.ts";
import type { Tensor } from "../device/tensor.ts";
import { headScores, table } from "./scores.ts";

/** Probabilities of the map that are held at once. */
const CHUNK = 1 << 23;

/**
 * Computes the largest attention weight of every block of the causal map, as a share of its row of blocks.
 *
 * @param d Receives the result.
 * @param q Queries after rotary embedding [heads, L, D].
 * @param k Keys after rotary embedding [kvHeads, L, D].
 * @param blockSize Queries and keys per block; a last, shorter block has its real rows.
 * @returns [heads, n, n] with n = ceil(L / blockSize); rows sum to 1, 0 for key blocks after the query block.
 */
export function seerTarget(d: Device, q: Tensor, k: Tensor, blockSize: number): Tensor {
  const [heads, length, width] = q.shape as [number, number, number];
  const kvHeads = k.shape[0]!;
  const group = heads / kvHeads;
  const rows = blockSize * Math.max(1, Math.floor(CHUNK / (group * blockSize * length)));
  return scoped(d, (all) => {
    const parts = Array.from({ length: kvHeads }, (_, h) => {
      const chunks = Array.from({ length: Math.ceil(length / rows) }, (_, n) =>
        scoped(all, (s) => {
          const [from, to] = [n * rows, Math.min(length, (n + 1) * rows)];
          const queries = slice(s, slice(s, q, 0, h * group, (h + 1) * group), 1, from, to);
          const scores = headScores(s, queries, slice(s, k, 0, h, h + 1), 1 / Math.sqrt(width));
          const lens = table(s, [to - from], (i) => from + i + 1);
          const p = reshape(s, softmax(s, scores, { lens }), [group * (to - from), length, 1]);
          const byKey = reshape(s, groupMax(s, p, blockSize), [
            group,
            to - from,
            Math.ceil(length / blockSize),
          ]);
          return groupMax(s, byKey, blockSize);
        }));
      return concat(all, chunks, 1);
    });
    const largest = concat(all, parts, 0);
    return binary(all, "div", largest, reduce(all, "sum", largest), { axis: "rows" });
  });
}
