/**
 * Forms of a row: how the columns of one head of one token are stored.
 *
 * @module
 */
import type { Device } from "./device.ts";
import type { DType } from "./ops.ts";
import { cast } from "./ops/cast.ts";
import type { RowForm } from "./ops/cached_rows.ts";
import { quantize } from "./ops/quantize.ts";
import type { Tensor } from "./tensor.ts";

/** Rows as they are stored. */
export interface CodedRows {
  /** [heads, n, width]. */
  readonly rows: Tensor;
  /** [heads, n, pairs]: (step, min) of every group, for codes. */
  readonly meta?: Tensor;
}

/** One form of rows for heads of one size. */
export interface RowCodec {
  /** Its form. */
  readonly form: Exclude<RowForm, "bitmap">;
  /** Type of the stored elements. */
  readonly dtype: DType;
  /** Stored elements of a row. */
  readonly width: number;
  /** Numbers beside a row: 0, or two for each group. */
  readonly pairs: number;
  /** Columns that share a step; all where there are none. */
  readonly group: number;
  /** Stores x [heads, n, headDim], float32. The result may be x itself. */
  encode(device: Device, x: Tensor): CodedRows;
}

/** float32 or float16 rows. */
export function floatCodec(form: "f32" | "f16", headDim: number): RowCodec {
  return {
    form,
    dtype: form,
    width: headDim,
    pairs: 0,
    group: headDim,
    encode: (device, x) => ({ rows: form === "f16" ? cast(device, x, "f16") : x }),
  };
}

/** int8 or int4 rows, with one step and minimum for each `group` columns. */
export function integerCodec(bits: 8 | 4, headDim: number, group: number): RowCodec {
  const pairs = 2 * headDim / group;
  return {
    form: bits === 8 ? "int8" : "int4",
    dtype: "u8",
    width: headDim * bits / 8,
    pairs,
    group,
    encode(device, x) {
      const { codes, meta } = quantize(device, x, { bits, group });
      return { rows: codes, meta: device.view(meta, [x.shape[0]!, x.shape[1]!, pairs]) };
    },
  };
}
