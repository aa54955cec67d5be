/**
 * Keys and values of a file as rows of a cache, and the queries that meet them.
 *
 * @module
 */
import type { Device } from "../../device/device.ts";
import type { CachedRows } from "../../device/ops/cached_rows.ts";
import { reshape } from "../../device/ops/reshape.ts";
import { slice } from "../../device/ops/slice.ts";
import type { Tensor } from "../../device/tensor.ts";

/**
 * Rows of tensors that hold them one after the other.
 *
 * @param k [Hkv, L, D], float32.
 * @param v [Hkv, L, D], float32.
 * @param rows The first so many rows. @default L
 */
export function denseRows(k: Tensor, v: Tensor, rows: number = k.shape[1]!): CachedRows {
  const [kvHeads, tokens, headDim] = k.shape as [number, number, number];
  const stride = tokens * headDim;
  return { form: "f32", k, v, kvHeads, headDim, kHead: stride, vHead: stride, first: 0, rows };
}

/** Query `i` of every head: [Hq, n, D] to [Hq, D]. */
export function queryRow(d: Device, q: Tensor, i: number): Tensor {
  return reshape(d, slice(d, q, 1, i, i + 1), [q.shape[0]!, q.shape[2]!]);
}
