/**
 * The reference device: every operation as plain loops in float64 over float32 storage. Slow; the oracle of the tests.
 *
 * @module
 */
import type { Backend } from "../backend.ts";
import { OutOfMemoryError } from "../errors.ts";
import { type OpName, type OpOf, WEIGHT_BITS } from "../ops.ts";
import { type Memory, viewMemory } from "./_memory.ts";
import { attention, rope } from "./attention.ts";
import { decode, readRows, scoreRows } from "./cached_rows.ts";
import { binary, cast, embed, fill, scaleAdd, unary } from "./elementwise.ts";
import { lineSums, lineTiles, mark, mergeLines } from "./lines.ts";
import { linear, matmul, pack } from "./linear.ts";
import { copy, gather, scatter } from "./move.ts";
import { layerNorm, rmsNorm, softmax } from "./norm.ts";
import { packBitmap } from "./pack_bitmap.ts";
import { planned } from "./planned.ts";
import { quantize } from "./quantize.ts";
import { compact, groupMean, reduce, scan, topk } from "./rows.ts";
import { sample } from "./sample.ts";

const KERNELS: { readonly [N in OpName]: (memory: Memory, op: OpOf<N>) => void } = {
  pack,
  linear,
  matmul,
  layerNorm,
  rmsNorm,
  softmax,
  rope,
  attention,
  unary,
  binary,
  embed,
  scaleAdd,
  copy,
  gather,
  scatter,
  groupMean,
  reduce,
  topk,
  cast,
  fill,
  scan,
  compact,
  sample,
  planned,
  lineSums,
  mark,
  mergeLines,
  lineTiles,
  decode,
  scoreRows,
  readRows,
  quantize,
  packBitmap,
};

/**
 * Opens the reference device.
 *
 * @returns A backend that runs every operation at once, on the caller's thread.
 */
export function openReference(): Backend {
  const buffers = new Map<number, ArrayBuffer>();
  const memory = viewMemory(buffers);
  return {
    kind: "reference",
    report: { adapter: "plain TypeScript", features: [], variants: ["float64 sums"] },
    lost: undefined,
    weightBytes: (n, k, dtype) => n * k * WEIGHT_BITS[dtype] / 8,
    create(id, bytes, data) {
      buffers.set(id, allocate(bytes, buffers));
      if (data) memory.u8(id).set(bytesOf(data));
    },
    write: (id, byteOffset, data) => memory.u8(id).set(bytesOf(data), byteOffset),
    run<N extends OpName>(op: OpOf<N>): void {
      KERNELS[op.op](memory, op);
    },
    read: (id, byteOffset, bytes) => Promise.resolve(memory.bytes(id).slice(byteOffset, byteOffset + bytes)),
    free: (id) => void buffers.delete(id),
    flush: () => new Promise((resolve) => setTimeout(resolve, 0)),
    dispose: () => buffers.clear(),
  };
}

function allocate(bytes: number, buffers: ReadonlyMap<number, ArrayBuffer>): ArrayBuffer {
  try {
    return new ArrayBuffer(bytes);
  } catch (cause) {
    const held = [...buffers.values()].reduce((sum, buffer) => sum + buffer.byteLength, 0);
    throw new OutOfMemoryError(`Cannot hold ${bytes} more bytes: ${held} are held already`, {
      requested: bytes,
      held,
    }, { cause });
  }
}

function bytesOf(data: ArrayBufferView): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
