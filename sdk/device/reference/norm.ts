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

/** Softmax of rows; zeros for a row of -Infinity. */
export function softmax(memory: Memory, op: OpOf<"softmax">): void {
  eachRow(memory, op, (x, out) => {
    const scores = Array.from(x, (value) => value * op.scale);
    const top = scores.reduce((a, b) => Math.max(a, b), -Infinity);
    if (top === -Infinity) return void out.fill(0);
    const powers = scores.map((score) => Math.exp(score - top));
    const sum = powers.reduce((a, b) => a + b, 0);
    powers.forEach((power, c) => out[c] = power / sum);
  });
}

function eachRow(
  memory: Memory,
  op: { readonly x: number; readonly out: number; readonly rows: number; readonly cols: number },
  run: (x: Float32Array, out: Float32Array) => void,
): void {
  const x = memory.f32(op.x);
  const out = memory.f32(op.out);
  for (let r = 0; r < op.rows; r++) {
    const [begin, end] = [r * op.cols, (r + 1) * op.cols];
    run(x.subarray(begin, end), out.subarray(begin, end));
  }
}
