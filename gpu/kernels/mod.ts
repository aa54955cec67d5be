/**
 * Every operation of `sdk/device/ops.ts` as dispatches.
 *
 * @module
 */
import { DTYPE_CODE, type Op, WEIGHT_CODE } from "../../sdk/device/ops.ts";
import type { Context, Dispatch } from "../kernel.ts";
import { attention } from "./attention.ts";
import { binary } from "./binary.ts";
import { cast } from "./cast.ts";
import { compact } from "./compact.ts";
import { copy } from "./copy.ts";
import { decode } from "./decode.ts";
import { embed } from "./embed.ts";
import { fill } from "./fill.ts";
import { gather } from "./gather.ts";
import { linear, matmul } from "./gemm.ts";
import { groupMean } from "./group_mean.ts";
import { lineSums } from "./line_sums.ts";
import { lineTiles } from "./line_tiles.ts";
import { mark } from "./mark.ts";
import { mergeLines } from "./merge_lines.ts";
import { packBitmap } from "./pack_bitmap.ts";
import { planned } from "./planned.ts";
import { quantize } from "./quantize.ts";
import { readRows } from "./read_rows.ts";
import { rope } from "./rope.ts";
import { layerNorm, reduce, rmsNorm, softmax } from "./rows.ts";
import { sample } from "./sample.ts";
import { scaleAdd } from "./scale_add.ts";
import { scan } from "./scan.ts";
import { scatter } from "./scatter.ts";
import { scoreRows } from "./score_rows.ts";
import { topk } from "./topk.ts";
import { unary } from "./unary.ts";

/**
 * Turns an operation into dispatches. Pure but for the numbers of scratch buffers.
 *
 * @param bytesOf Bytes of a buffer, for operations whose record does not say how large a tensor is.
 * @throws RangeError if tensors are too wide for this GPU; TypeError for an operation that is not known.
 */
export function dispatchesOf(op: Op, context: Context, bytesOf: (id: number) => number): Dispatch[] {
  switch (op.op) {
    case "pack":
      return copy(bytesCopy(op.src, op.out, packedBytes(op.n, op.k, op.dtype)), context);
    case "linear":
      return linear(op, context);
    case "matmul":
      return matmul(op, context);
    case "layerNorm":
      return layerNorm(op, context);
    case "rmsNorm":
      return rmsNorm(op, context);
    case "softmax":
      return softmax(op, context);
    case "rope":
      return rope(op, context);
    case "attention":
      return attention(op, context);
    case "unary":
      return unary(op, context);
    case "binary":
      return binary(op, context);
    case "embed":
      return embed(op, context);
    case "scaleAdd":
      return scaleAdd(op, context);
    case "copy":
      return copy(op, context);
    case "gather":
      return gather(op, context, Math.floor(bytesOf(op.x) / (op.width * op.size)));
    case "scatter":
      return scatter(op, context, Math.floor(bytesOf(op.out) / (op.width * op.size)));
    case "groupMean":
      return groupMean(op, context);
    case "reduce":
      return reduce(op, context);
    case "topk":
      return topk(op, context);
    case "cast":
      return op.from === op.to && op.from !== DTYPE_CODE.f32
        ? copy(
          bytesCopy(
            op.x,
            op.out,
            op.n * (op.from === DTYPE_CODE.f16 ? 2 : op.from === DTYPE_CODE.i32 ? 4 : 1),
          ),
          context,
        )
        : cast(op, context);
    case "fill":
      return fill(op, context);
    case "scan":
      return scan(op, context);
    case "compact":
      return compact(op, context);
    case "sample":
      return sample(op, context);
    case "lineSums":
      return lineSums(op, context);
    case "mark":
      return mark(op, context);
    case "mergeLines":
      return mergeLines(op, context);
    case "lineTiles":
      return lineTiles(op, context);
    case "planned":
      return planned(op, context, bytesOf(op.plan));
    case "decode":
      return decode(op, context, bytesOf);
    case "scoreRows":
      return scoreRows(op, context, bytesOf);
    case "readRows":
      return readRows(op, context, bytesOf);
    case "quantize":
      return quantize(op, context);
    case "packBitmap":
      return packBitmap(op, context);
    default:
      throw new TypeError(`Cannot run operation "${(op as Op).op}": the WebGPU device does not know it`);
  }
}

/** Bytes of a weight [n, k]: as it comes, row by row. */
export function packedBytes(n: number, k: number, type: number): number {
  const bits = {
    [WEIGHT_CODE.f32]: 32,
    [WEIGHT_CODE.f16]: 16,
    [WEIGHT_CODE.i8]: 8,
    [WEIGHT_CODE.i4]: 4,
  }[type]!;
  return Math.ceil(n * k * bits / 8);
}

/** A copy of bytes that begin at words. */
function bytesCopy(x: number, out: number, bytes: number) {
  return {
    op: "copy",
    x,
    out,
    size: 4,
    n0: 1,
    n1: 1,
    n2: 1,
    n3: Math.ceil(bytes / 4),
    xOffset: 0,
    x0: 0,
    x1: 0,
    x2: 0,
    x3: 1,
    outOffset: 0,
    out0: 0,
    out1: 0,
    out2: 0,
    out3: 1,
  } as const;
}
