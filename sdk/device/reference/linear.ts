/**
 * Products of matrices on the reference device; its weight layout is the plain one.
 *
 * @module
 */
import { DTYPE_CODE, type OpOf } from "../ops.ts";
import { activate } from "./_functions.ts";
import type { Memory } from "./_memory.ts";

/** Copies a weight as it is. */
export function pack(memory: Memory, op: OpOf<"pack">): void {
  const bytes = op.n * op.k * (op.dtype === DTYPE_CODE.f32 ? 4 : op.dtype === DTYPE_CODE.f16 ? 2 : 1);
  memory.u8(op.out).set(memory.u8(op.src).subarray(0, bytes));
}

/** out = act(x W^T * scales + bias) + residual. */
export function linear(memory: Memory, op: OpOf<"linear">): void {
  const { m, n, k } = op;
  const x = memory.f32(op.x);
  const read = memory.reader(op.w, op.wtype);
  const w = Float32Array.from({ length: n * k }, (_, i) => read(i));
  const scales = op.scales && op.wtype === DTYPE_CODE.i8 ? memory.f32(op.scales) : undefined;
  const bias = op.bias ? memory.f32(op.bias) : undefined;
  const residual = op.residual ? memory.f32(op.residual) : undefined;
  const out = memory.f32(op.out);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let l = 0; l < k; l++) sum += x[i * k + l]! * w[j * k + l]!;
      const value = activate(op.activation, sum * (scales?.[j] ?? 1) + (bias?.[j] ?? 0));
      out[i * n + j] = value + (residual?.[i * n + j] ?? 0);
    }
  }
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
