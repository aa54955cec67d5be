/**
 * Buffers of the reference device, seen as arrays.
 *
 * @module
 */
import { DTYPE_CODE } from "../ops.ts";
import { fromHalf } from "../half.ts";

/** Numbers of a buffer. */
export interface Memory {
  bytes(id: number): ArrayBuffer;
  f32(id: number): Float32Array<ArrayBuffer>;
  i32(id: number): Int32Array<ArrayBuffer>;
  u8(id: number): Uint8Array<ArrayBuffer>;
  u16(id: number): Uint16Array<ArrayBuffer>;
  /** A function that reads element i of a buffer whose type is given by its number. */
  reader(id: number, dtype: number): (i: number) => number;
}

/** Views buffers by number. */
export function viewMemory(buffers: ReadonlyMap<number, ArrayBuffer>): Memory {
  const bytes = (id: number): ArrayBuffer => {
    const buffer = buffers.get(id);
    if (buffer === undefined) throw new Error(`Cannot use buffer ${id}: there is none`);
    return buffer;
  };
  const memory: Memory = {
    bytes,
    f32: (id) => new Float32Array(bytes(id), 0, Math.floor(bytes(id).byteLength / 4)),
    i32: (id) => new Int32Array(bytes(id), 0, Math.floor(bytes(id).byteLength / 4)),
    u8: (id) => new Uint8Array(bytes(id)),
    u16: (id) => new Uint16Array(bytes(id), 0, Math.floor(bytes(id).byteLength / 2)),
    reader(id, dtype) {
      if (dtype === DTYPE_CODE.f16) {
        const halves = memory.u16(id);
        return (i) => fromHalf(halves[i]!);
      }
      const values = dtype === DTYPE_CODE.f32
        ? memory.f32(id)
        : dtype === DTYPE_CODE.i8
        ? new Int8Array(bytes(id))
        : dtype === DTYPE_CODE.u8
        ? memory.u8(id)
        : memory.i32(id);
      return (i) => values[i]!;
    },
  };
  return memory;
}
