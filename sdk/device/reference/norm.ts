/**
 * Norms and softmax on the reference device.
 *
 * @module
 */
import type { OpOf } from "../ops.ts";
import type { Memory } from "./_memory.ts";

/** Layer normalisation of rows. */
export function layerNorm(memory: Memory, op: OpOf<"layerNorm">): void {
  const { cols } = op;
  const weight = memory.f32(op.weight);
  const bias = memory.f32(op.bias);
  eachRow(memory, op, (x, out) => {
    let mean = 0;
    for (const value of x) mean += value / cols;
    let variance = 0;
    for (const value of x) variance += (value - mean) ** 2 / cols;
    const factor = 1 / Math.sqrt(variance + op.eps);
    x.forEach((value, c) => out[c] = (value - mean) * factor * weight[c]! + bias[c]!);
  });
}

/** Root-mean-square normalisation of rows. */
export function rmsNorm(memory: Memory, op: OpOf<"rmsNorm">): void {
  const weight = memory.f32(op.weight);
  eachRow(memory, op, (x, out) => {
    let square = 0;
    for (const value of x) square += value * value / op.cols;
    const factor = 1 / Math.sqrt(square + op.eps);
    x.forEach((value, c) => out[c] = value * factor * weight[c]!);
  });
}

/** Softmax of rows or of their first columns; zeros for a row of -Infinity. */
export function softmax(memory: Memory, op: OpOf<"softmax">): void {
  const lens = op.lens ? memory.i32(op.lens) : undefined;
  eachRow(memory, op, (x, out, r) => {
    const length = lens ? Math.min(op.cols, Math.max(0, lens[r % op.period]!)) : op.cols;
    const scores = Array.from(x.subarray(0, length), (value) => value * op.scale);
    const top = scores.reduce((a, b) => Math.max(a, b), -Infinity);
    out.fill(0);
    if (top === -Infinity) return;
    const powers = scores.map((score) => Math.exp(score - top));
    const sum = powers.reduce((a, b) => a + b, 0);
    powers.forEach((power, c) => out[c] = power / sum);
  });
}

function eachRow(
  memory: Memory,
  op: { readonly x: number; readonly out: number; readonly rows: number; readonly cols: number },
  run: (x: Float32Array, out: Float32Array, r: number) => void,
): void {
  const x = memory.f32(op.x);
  const out = memory.f32(op.out);
  for (let r = 0; r < op.rows; r++) {
    const [begin, end] = [r * op.cols, (r + 1) * op.cols];
    run(x.subarray(begin, end), out.subarray(begin, end), r);
  }
}
