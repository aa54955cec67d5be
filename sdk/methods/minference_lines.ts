/**
 * What the last queries look at: the estimate behind vertical and slash lines.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { concat } from "../device/ops/concat.ts";
import { gather } from "../device/ops/gather.ts";
import { type LineSums, lineSums } from "../device/ops/line_sums.ts";
import { slice } from "../device/ops/slice.ts";
import { softmax } from "../device/ops/softmax.ts";
import { scoped } from "../device/scoped.ts";
import type { Tensor } from "../device/tensor.ts";
import { headScores, table } from "./scores.ts";

/** Largest number of probabilities that are held at a time: 64 MiB. */
const MOST = 2 ** 24;

/**
 * Sums the causal attention of the last queries by key and by distance.
 *
 * @param d Receives the result.
 * @param rows The last n queries of every head [Hq, n, D].
 * @param k Keys [Hkv, L, D].
 * @param heads The query heads that are wanted, ascending.
 * @returns Sums of probabilities over the n rows, [heads.length, L] each.
 */
export function lastLines(d: Device, rows: Tensor, k: Tensor, heads: readonly number[]): LineSums {
  const [all, n, width] = rows.shape as [number, number, number];
  const [kvHeads, length] = k.shape as [number, number, number];
  const starts = table(d, [n], (r) => length - n + r);
  const lens = table(d, [n], (r) => length - n + r + 1);
  const step = Math.max(1, Math.floor(MOST / (n * length)));
  const parts: LineSums[] = [];
  for (let kv = 0; kv < kvHeads; kv++) {
    const own = heads.filter((h) => Math.floor(h * kvHeads / all) === kv);
    for (let at = 0; at < own.length; at += step) {
      const some = own.slice(at, at + step);
      parts.push(scoped(d, (s) => {
        const queries = gather(s, rows, table(s, [some.length], (i) => some[i]!));
        const scores = headScores(s, queries, slice(s, k, 0, kv, kv + 1), 1 / Math.sqrt(width));
        const { columns, diagonals } = lineSums(s, softmax(s, scores, { lens }), starts);
        return { columns, diagonals };
      }));
    }
  }
  return {
    columns: concat(d, parts.map((part) => part.columns), 0),
    diagonals: concat(d, parts.map((part) => part.diagonals), 0),
  };
}
