/**
 * Attention of the last queries, summed along lines.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { concat } from "../device/ops/concat.ts";
import { gather } from "../device/ops/gather.ts";
import { type LineSums, lineSums } from "../device/ops/line_sums.ts";
import { reshape } from "../device/ops/reshape.ts";
import { softmax } from "../device/ops/softmax.ts";
import { scoped } from "../device/scoped.ts";
import type { Tensor } from "../device/tensor.ts";
import type { CellGroup } from "./mminference_cells.ts";
import { headScores, table } from "./scores.ts";

/** Heads whose scores are held at once. */
const TOGETHER = 8;

/**
 * Sums the attention of the last queries of a group over its keys.
 *
 * @param q [Hq, Lq, D].
 * @param k [Hkv, Lk, D].
 * @param heads Query heads, ascending.
 * @param lastQ How many queries, at most.
 * @returns [heads.length, keys] by rank and by distance.
 */
export function estimate(
  d: Device,
  q: Tensor,
  k: Tensor,
  group: Pick<CellGroup, "rows" | "counts" | "keys">,
  heads: readonly number[],
  lastQ: number,
): LineSums {
  const [hq, lq, width] = q.shape as [number, number, number];
  const [kvHeads, lk] = k.shape as [number, number, number];
  const rows = group.rows.slice(-lastQ);
  const counts = group.counts.slice(-lastQ);
  const starts = d.tensor(counts, [counts.length]);
  const lens = d.tensor(counts.map((count) => count + 1), [counts.length]);
  const [flatQ, flatK] = [reshape(d, q, [hq * lq, width]), reshape(d, k, [kvHeads * lk, width])];
  const alpha = width > 0 ? 1 / Math.sqrt(width) : 1;
  const parts = batches(heads, hq / kvHeads).map((batch) =>
    scoped(d, (s) => {
      const kv = Math.floor(batch[0]! * kvHeads / hq);
      const n = rows.length;
      const rowsAt = table(s, [batch.length, n], (i) => batch[Math.floor(i / n)]! * lq + rows[i % n]!);
      const keysAt = s.tensor(group.keys.map((key) => kv * lk + key), [1, group.keys.length]);
      const scores = headScores(s, gather(s, flatQ, rowsAt), gather(s, flatK, keysAt), alpha);
      const { columns, diagonals } = lineSums(s, softmax(s, scores, { lens }), starts);
      return { columns, diagonals };
    })
  );
  return {
    columns: concat(d, parts.map((part) => part.columns), 0),
    diagonals: concat(d, parts.map((part) => part.diagonals), 0),
  };
}

/** Neighbours that share a key head, a few at a time. */
function batches(heads: readonly number[], perKey: number): number[][] {
  const result: number[][] = [];
  for (const head of heads) {
    const last = result.at(-1);
    const fits = last && last.length < TOGETHER &&
      Math.floor(last[0]! / perKey) === Math.floor(head / perKey);
    if (fits) last.push(head);
    else result.push([head]);
  }
  return result;
}
