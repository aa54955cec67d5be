/**
 * Products of matrices on the reference device; its weight layout is the plain one.
 *
 * @module
 */
import { type OpOf, WEIGHT_CODE } from "../ops.ts";
import { activate } from "./_functions.ts";
import type { Memory } from "./_memory.ts";

/** Copies a weight as it is. */
export function pack(memory: Memory, op: OpOf<"pack">): void {
  const bits = op.dtype === WEIGHT_CODE.f32
    ? 32
    : op.dtype === WEIGHT_CODE.f16
    ? 16
    : op.dtype === WEIGHT_CODE.i8
    ? 8
    : 4;
  memory.u8(op.out).set(memory.u8(op.src).subarray(0, op.n * op.k * bits / 8));
}

/** out = act(x (W * scales)^T + bias) + residual. */
export function linear(memory: Memory, op: OpOf<"linear">): void {
  const { m, n, k, group } = op;
  const x = memory.f32(op.x);
  const read = op.wtype === WEIGHT_CODE.i4 ? nibbles(memory, op.w) : memory.reader(op.w, op.wtype);
  const w = Float32Array.from({ length: n * k }, (_, i) => read(i));
  const scaled = op.wtype === WEIGHT_CODE.i8 || op.wtype === WEIGHT_CODE.i4;
  const scales = op.scales && scaled ? memory.f32(op.scales) : undefined;
  const bias = op.bias ? memory.f32(op.bias) : undefined;
  const residual = op.residual ? memory.f32(op.residual) : undefined;
  const out = memory.f32(op.out);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let begin = 0; begin < k; begin += group) {
        let part = 0;
        for (let l = begin; l < begin + group; l++) part += x[i * k + l]! * w[j * k + l]!;
        sum += part * (scales?.[(j * k + begin) / group] ?? 1);
      }
      const value = activate(op.activation, sum + (bias?.[j] ?? 0));
      out[i * n + j] = value + (residual?.[i * n + j] ?? 0);
    }
  }
}

/** Reads int4 numbers: two to a byte, low nibble first, stored plus 8. */
function nibbles(memory: Memory, id: number): (i: number) => number {
  const bytes = memory.u8(id);
  return (i) => (bytes[i >> 1]! >> (i & 1) * 4 & 15) - 8;
}

/** out = alpha * a b^T for every matrix of the batch. */
export function matmul(memory: Memory, op: OpOf<"matmul">): void {
  const { batch, m, n, k, alpha } = op;
  const a = memory.f32(op.a);
  const b = memory.f32(op.b);
  const out = memory.f32(op.out);
  for (let z = 0; z < batch; z++) {
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let l = 0; l < k; l++) sum += a[z * op.aBatch + i * k + l]! * b[z * op.bBatch + j * k + l]!;
        out[(z * m + i) * n + j] = alpha * sum;
      }
    }
  }
}
