/**
 * Copies on the reference device.
 *
 * @module
 */
import type { OpOf } from "../ops.ts";
import type { Memory } from "./_memory.ts";

/** Four nested loops over strides. */
export function copy(memory: Memory, op: OpOf<"copy">): void {
  const x = elements(memory, op.x, op.size);
  const out = elements(memory, op.out, op.size);
  for (let i0 = 0; i0 < op.n0; i0++) {
    for (let i1 = 0; i1 < op.n1; i1++) {
      for (let i2 = 0; i2 < op.n2; i2++) {
        const from = op.xOffset + i0 * op.x0 + i1 * op.x1 + i2 * op.x2;
        const to = op.outOffset + i0 * op.out0 + i1 * op.out1 + i2 * op.out2;
        for (let i3 = 0; i3 < op.n3; i3++) out[to + i3 * op.out3] = x[from + i3 * op.x3]!;
      }
    }
  }
}

/** Rows by number; zeros for a number below 0. */
export function gather(memory: Memory, op: OpOf<"gather">): void {
  const x = elements(memory, op.x, op.size);
  const index = memory.i32(op.index);
  const out = elements(memory, op.out, op.size);
  for (let i = 0; i < op.n; i++) {
    const row = index[i]!;
    for (let c = 0; c < op.width; c++) out[i * op.width + c] = row < 0 ? 0 : x[row * op.width + c]!;
  }
}

/** Rows to numbers; none for a number below 0. */
export function scatter(memory: Memory, op: OpOf<"scatter">): void {
  const x = elements(memory, op.x, op.size);
  const index = memory.i32(op.index);
  const out = elements(memory, op.out, op.size);
  for (let i = 0; i < op.n; i++) {
    const row = index[i]!;
    for (let c = 0; c < op.width && row >= 0; c++) out[row * op.width + c] = x[i * op.width + c]!;
  }
}

/** Elements as raw bits. */
function elements(memory: Memory, id: number, size: number): Uint8Array | Uint16Array | Int32Array {
  return size === 1 ? memory.u8(id) : size === 2 ? memory.u16(id) : memory.i32(id);
}
