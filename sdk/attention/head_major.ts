/**
 * Attention of tensors whose axes are heads, rows, columns.
 *
 * @module
 */
import { DTYPE_CODE, type OpOf } from "../device/ops.ts";

/** Sizes of the call; rows of a head follow each other, key heads are `kHead` (values: `vHead`) elements apart. */
export interface HeadMajor {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly lq: number;
  readonly lk: number;
  readonly kHead: number;
  readonly vHead: number;
  readonly kvtype: "f32" | "f16";
  readonly causal: boolean;
  readonly scale: number;
}

/** All fields of the operation `attention` but its tensors. */
export function headMajor(
  { heads, kvHeads, headDim, lq, lk, kHead, vHead, kvtype, causal, scale }: HeadMajor,
): Omit<OpOf<"attention">, "op" | "q" | "k" | "v" | "mask" | "lens" | "out" | "lse"> {
  return {
    batch: 1,
    heads,
    kvHeads,
    headDim,
    lq,
    lk,
    qOffset: 0,
    qBatch: 0,
    qHead: lq * headDim,
    qRow: headDim,
    kOffset: 0,
    kBatch: 0,
    kHead,
    kRow: headDim,
    vOffset: 0,
    vBatch: 0,
    vHead,
    vRow: headDim,
    outBatch: 0,
    outHead: lq * headDim,
    outRow: headDim,
    kvtype: DTYPE_CODE[kvtype],
    causal: causal ? 1 : 0,
    scale,
  };
}
