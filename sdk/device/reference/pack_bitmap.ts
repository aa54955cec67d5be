/**
 * Pruned rows as bitmap tiles on the reference device.
 *
 * @module
 */
import { fromHalf, toHalf } from "../half.ts";
import { DTYPE_CODE, type OpOf } from "../ops.ts";
import type { Memory } from "./_memory.ts";

/** Keeps the large elements of every row and appends them to the tiles of its head. */
export function packBitmap(memory: Memory, op: OpOf<"packBitmap">): void {
  const { n, headDim } = op;
  const packed = memory.u16(op.packed);
  const meta = memory.i32(op.meta);
  for (let g = 0; g < op.heads; g++) {
    const rows = prunedRows(memory, op, g);
    const base = op.metaAt + g * op.metaHead;
    let offset = meta[base + 3 * op.tile0 + 2]!;
    for (let tile = 0; tile < n * headDim / 64; tile++) {
      const halves = tileOf(rows, tile, headDim, op.kind);
      const words = [0, 0];
      halves.forEach((half, e) => words[e >> 5]! |= Number(half !== 0) << 31 - e % 32);
      meta.set([words[0]!, words[1]!, offset], base + 3 * (op.tile0 + tile));
      const kept = halves.filter((half) => half !== 0);
      const room = Math.ceil(kept.length / 8) * 8;
      if (2 * offset + room <= op.packedHead) {
        const at = g * op.packedHead + 2 * offset;
        packed.fill(0, at, at + room).set(kept, at);
      }
      offset += room / 2;
    }
    meta.set([0, 0, offset], base + 3 * (op.tile0 + n * headDim / 64));
  }
}

/** Rows of a head as float16 bits, 0 where an element was dropped; a negative zero is 0 as well. */
function prunedRows(memory: Memory, op: OpOf<"packBitmap">, g: number): Uint16Array {
  const { n, headDim } = op;
  const f16 = op.xtype === DTYPE_CODE.f16;
  const [halves, floats] = [memory.u16(op.x), memory.f32(op.x)];
  const rows = Uint16Array.from(
    { length: n * headDim },
    (_, i) => f16 ? halves[g * op.xHead + i]! : toHalf(floats[g * op.xHead + i]!),
  );
  for (let begin = 0; begin < rows.length; begin += headDim) {
    const row = rows.subarray(begin, begin + headDim);
    const sizes = Float32Array.from(row, (half) => Math.abs(fromHalf(half)));
    const least = sizes.toSorted()[op.drop - 1]!;
    sizes.forEach((size, c) => {
      if (size < least || size === 0) row[c] = 0;
    });
  }
  return rows;
}

/** The 64 elements of a tile: a column of 64 rows (keys), or 64 columns of a row (values). */
function tileOf(rows: Uint16Array, tile: number, headDim: number, kind: number): Uint16Array {
  const block = Math.floor(tile / headDim) * 64;
  const place = tile % headDim;
  const [row, column, next] = kind === 0
    ? [block, place, headDim]
    : [block + place % 64, place - place % 64, 1];
  return Uint16Array.from({ length: 64 }, (_, e) => rows[row * headDim + column + e * next]!);
}
