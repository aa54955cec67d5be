/**
 * Elementwise operations on the reference device.
 *
 * @module
 */
import { toHalf } from "../half.ts";
import { DTYPE_CODE, type OpOf } from "../ops.ts";
import { gelu, silu } from "./_functions.ts";
import type { Memory } from "./_memory.ts";

/** In the order of their numbers. */
const UNARY: readonly ((x: number) => number)[] = [
  gelu,
  silu,
  (x) => Math.max(x, 0),
  (x) => 1 / (1 + Math.exp(-x)),
  Math.tanh,
  Math.exp,
  Math.log,
  (x) => -x,
  Math.sqrt,
];

/** In the order of their numbers. */
const BINARY: readonly ((a: number, b: number) => number)[] = [
  (a, b) => a + b,
  (a, b) => a - b,
  (a, b) => a * b,
  (a, b) => a / b,
  Math.max,
  Math.min,
  (a, b) => Number(a > b),
  (a, b) => Number(a >= b),
  (a, b) => Number(a < b),
  (a, b) => Number(a <= b),
  (a, b) => Number(a === b),
];

/** A function of every element. */
export function unary(memory: Memory, op: OpOf<"unary">): void {
  const x = memory.f32(op.x);
  const out = memory.f32(op.out);
  for (let i = 0; i < op.n; i++) out[i] = UNARY[op.kind]!(x[i]!);
}

/** A function of two tensors, the second read at floor(i / div) mod mod. */
export function binary(memory: Memory, op: OpOf<"binary">): void {
  const a = memory.f32(op.a);
  const b = memory.f32(op.b);
  const out = memory.f32(op.out);
  for (let i = 0; i < op.n; i++) out[i] = BINARY[op.kind]!(a[i]!, b[Math.floor(i / op.div) % op.mod]!);
}

/** Numbers to vectors: x * w + bias. */
export function embed(memory: Memory, op: OpOf<"embed">): void {
  const x = memory.f32(op.x);
  const w = memory.f32(op.w);
  const bias = memory.f32(op.bias);
  const out = memory.f32(op.out);
  const skip = Math.fround(op.skip);
  for (let i = 0; i < op.n; i++) {
    for (let c = 0; c < op.e; c++) {
      out[i * op.e + c] = op.useSkip && x[i] === skip ? skip : x[i]! * w[c]! + bias[c]!;
    }
  }
}

/** Vectors scaled by numbers: x * w + bias. */
export function scaleAdd(memory: Memory, op: OpOf<"scaleAdd">): void {
  const x = memory.f32(op.x);
  const w = memory.f32(op.w);
  const bias = memory.f32(op.bias);
  const out = memory.f32(op.out);
  for (let i = 0; i < op.n * op.e; i++) out[i] = x[Math.floor(i / op.e)]! * w[i]! + bias[i]!;
}

/** Another element type. */
export function cast(memory: Memory, op: OpOf<"cast">): void {
  const read = memory.reader(op.x, op.from);
  if (op.to === DTYPE_CODE.f16) {
    const out = memory.u16(op.out);
    for (let i = 0; i < op.n; i++) out[i] = toHalf(read(i));
  } else if (op.to === DTYPE_CODE.i32) {
    const out = memory.i32(op.out);
    for (let i = 0; i < op.n; i++) out[i] = Math.min(Math.max(roundToEven(read(i)), -(2 ** 31)), 2 ** 31 - 1);
  } else {
    const out = memory.f32(op.out);
    for (let i = 0; i < op.n; i++) out[i] = read(i);
  }
}

/** One value everywhere. */
export function fill(memory: Memory, op: OpOf<"fill">): void {
  memory.f32(op.out).fill(op.value, 0, op.n);
}

function roundToEven(x: number): number {
  const down = Math.floor(x);
  const rest = x - down;
  return rest > 0.5 || (rest === 0.5 && down % 2 !== 0) ? down + 1 : down;
}
