/**
 * Attention, scores and copies of rows as a cache stores them.
 *
 * @module
 */
import type { Device } from "../device.ts";
import type { Tensor } from "../tensor.ts";
import { expectFinite, expectInt, expectRank, expectShape, use, useOptional } from "./_check.ts";
import { type CachedRows, checkQuery, checkRows, type KeyRows, type RowForm } from "./_rows.ts";
import { fill } from "./fill.ts";

export type { CachedRows, KeyRows, RowForm };

/** What {@linkcode decodeRows} returns. */
export interface Decoded {
  /** [heads, headDim]; zeros for heads that read nothing. */
  readonly out: Tensor;
  /** [heads]: log-sum-exp of the scores, -Infinity for heads that read nothing. */
  readonly lse: Tensor;
}

/** Options of {@linkcode decodeRows}. */
export interface DecodeRowsOptions {
  /** Tokens in the whole cache, that of the query included. */
  readonly total: number;
  /**
   * i32 [1, kvHeads or heads, cap]: tokens e * step to e * step + step - 1 of every entry up to the first -1 are read; one list for all heads, per KV
   * head or per query head. @default all tokens
   */
  readonly list?: Tensor;
  /** Tokens that an entry of the list names. @default 1 */
  readonly step?: number;
  /** i32 [kvHeads, 2] = (sink, window): of these only tokens below sink or among the last `window` of the cache. @default everywhere */
  readonly band?: Tensor;
  /** Factor of every score. @default 1 / sqrt(headDim) */
  readonly scale?: number;
  /** The result over other tokens of the same cache, which becomes the result over both. @default a new result */
  readonly into?: Decoded;
}

/** Options of {@linkcode scoreRows}. */
export interface ScoreRowsOptions {
  /** Factor of every score. @default 1 */
  readonly scale?: number;
  /** Receives the scores instead of a new tensor: [heads, at least `rows`]; what is past `rows` stays. */
  readonly out?: Tensor;
}

/**
 * Computes softmax(scale * q k^T) v of one query token over rows of a cache, in whatever form they are stored.
 *
 * @param d Receives the result.
 * @param q [heads, headDim]; heads is a multiple of the KV heads.
 * @param rows The rows.
 * @returns Output and log-sum-exp; those of `into`, if given.
 * @throws TypeError if types do not fit the form, RangeError if shapes do not fit or rows do not lie inside their tensors.
 */
export function decodeRows(d: Device, q: Tensor, rows: CachedRows, options: DecodeRowsOptions): Decoded {
  const op = "decode";
  const { kvHeads, headDim } = rows;
  const { total, list, step = 1, band, scale = 1 / Math.sqrt(headDim), into } = options;
  const [keys, values] = [checkRows(d, op, rows, "k"), checkRows(d, op, rows, "v")];
  const heads = checkQuery(d, op, q, rows);
  expectInt(op, "total", total, rows.rows, 0x7fff_ffff);
  expectInt(op, "first", rows.first, 0, total - rows.rows);
  expectInt(op, "step", step, 1);
  expectFinite(op, "scale", scale);
  const ids = {
    list: useOptional(d, op, "list", list, "i32"),
    band: useOptional(d, op, "band", band, "i32"),
  };
  if (list) checkList(list, heads, kvHeads);
  if (band) expectShape(op, "band", band, [kvHeads, 2], "(KV heads, 2)");
  if (into) {
    use(d, op, "into.out", into.out);
    use(d, op, "into.lse", into.lse);
    expectShape(op, "into.out", into.out, [heads, headDim], "(heads, headDim)");
    expectShape(op, "into.lse", into.lse, [heads], "(heads)");
  }
  const { out, lse } = into ?? { out: d.empty([heads, headDim]), lse: d.empty([heads]) };
  if (rows.rows > 0 && list?.size !== 0) {
    const { at: kMetaAt, data: k, head: kHead, ...shared } = keys;
    d.submit({
      op,
      q: q.id,
      k,
      v: values.data,
      ...ids,
      ...shared,
      out: out.id,
      lse: lse.id,
      heads,
      kvHeads,
      first: rows.first,
      rows: rows.rows,
      total,
      kHead,
      vHead: values.head,
      kMetaAt,
      vMetaAt: values.at,
      lists: list?.shape[0] ?? 1,
      listCap: list?.shape[1] ?? 0,
      step,
      merge: into ? 1 : 0,
      scale,
    });
  } else if (!into) {
    fill(d, out, 0);
    fill(d, lse, -Infinity);
  }
  return { out, lse };
}

/**
 * Computes scale * q . k for every key row.
 *
 * @param d Receives the result.
 * @param q [heads, headDim]; heads is a multiple of the KV heads.
 * @param rows Key rows of any form but `bitmap`.
 * @returns [heads, rows], or `out`.
 * @throws TypeError if types do not fit the form, RangeError if shapes do not fit or rows do not lie inside their tensors.
 */
export function scoreRows(d: Device, q: Tensor, rows: KeyRows, options: ScoreRowsOptions = {}): Tensor {
  const op = "scoreRows";
  const { scale = 1 } = options;
  const paged = (rows as Partial<CachedRows>).table !== undefined;
  if (rows.form === "bitmap" || paged) {
    throw new RangeError(
      `Cannot run ${op}: the rows are ${
        paged ? "in pages" : "bitmaps"
      }, expected rows in order of another form`,
    );
  }
  const { data: k, meta, form, group, head: kHead, headDim, metaHead } = checkRows(d, op, rows, "k");
  const heads = checkQuery(d, op, q, rows);
  expectFinite(op, "scale", scale);
  const out = options.out ?? d.empty([heads, rows.rows]);
  use(d, op, "out", out);
  expectRank(op, "out", out, 2, 2);
  const outHead = out.shape[1]!;
  if (outHead < rows.rows) {
    throw new RangeError(
      `Cannot run ${op}: "out" has shape [${out.shape}], expected at least ${rows.rows} columns`,
    );
  }
  expectShape(op, "out", out, [heads, outHead], "(heads, columns)");
  if (rows.rows > 0) {
    const { kvHeads } = rows;
    d.submit({
      op,
      q: q.id,
      k,
      meta,
      out: out.id,
      heads,
      kvHeads,
      headDim,
      rows: rows.rows,
      kHead,
      metaHead,
      form,
      group,
      outHead,
      scale,
    });
  }
  return out;
}

/**
 * Reads rows as plain numbers.
 *
 * @param d Receives the result.
 * @param rows The rows.
 * @param kind Whether to read keys or values.
 * @param first The first row, from 0 (not its token).
 * @param count How many.
 * @returns f32 [kvHeads, count, headDim]; zeros where a row is missing.
 * @throws TypeError if types do not fit the form, RangeError if shapes do not fit or rows do not lie inside their tensors.
 */
export function readRows(
  d: Device,
  rows: CachedRows,
  kind: "k" | "v",
  first: number = 0,
  count: number = rows.rows - first,
): Tensor {
  const op = "readRows";
  if (kind !== "k" && kind !== "v") {
    throw new TypeError(`Cannot run ${op}: "kind" is "${kind}", expected k or v`);
  }
  const { data: k, at: kMetaAt, head: kHead, ...shared } = checkRows(d, op, rows, kind);
  expectInt(op, "first", first, 0, rows.rows);
  expectInt(op, "count", count, 0, rows.rows - first);
  const { kvHeads: heads, headDim } = rows;
  const out = d.empty([heads, count, headDim]);
  if (count > 0) {
    d.submit({
      op,
      ...shared,
      k,
      kHead,
      kMetaAt,
      out: out.id,
      heads,
      first,
      count,
      kind: kind === "k" ? 0 : 1,
    });
  }
  return out;
}

function checkList(list: Tensor, heads: number, kvHeads: number): void {
  expectRank("decode", "list", list, 2, 2);
  const lists = list.shape[0]!;
  if (lists !== 1 && lists !== kvHeads && lists !== heads) {
    throw new RangeError(
      `Cannot run decode: "list" has shape [${list.shape}], expected 1, ${kvHeads} or ${heads} lists`,
    );
  }
}
