/**
 * Codes of rows on the reference device.
 *
 * @module
 */
import type { OpOf } from "../ops.ts";
import type { Memory } from "./_memory.ts";

/** Codes and (step, min) of every group; in float32 step by step, since a code is a whole number that all devices must agree on. */
export function quantize(memory: Memory, op: OpOf<"quantize">): void {
  const { group, bits } = op;
  const f = Math.fround;
  const x = memory.f32(op.x);
  const codes = memory.u8(op.codes);
  const meta = memory.f32(op.meta);
  const top = 2 ** bits - 1;
  for (let begin = 0, pair = 0; begin < op.rows * op.cols; begin += group, pair += 2) {
    const part = x.subarray(begin, begin + group);
    const [min, max] = [part.reduce((a, b) => Math.min(a, b)), part.reduce((a, b) => Math.max(a, b))];
    const range = f(max - min);
    meta[pair] = (max === min ? 1 : range) / top;
    meta[pair + 1] = min;
    const factor = max === min ? 0 : f(top / range);
    part.forEach((value, n) => {
      const code = Math.min(Math.max(nearestEven(f(f(value - min) * factor)), 0), top);
      const i = begin + n;
      if (bits === 8) codes[i] = code;
      else codes[i >> 1] = i & 1 ? codes[i >> 1]! & 15 | code << 4 : code;
    });
  }
}

function nearestEven(x: number): number {
  const low = Math.floor(x);
  return x - low === 0.5 ? low + low % 2 : Math.round(x);
}
