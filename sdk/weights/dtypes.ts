/**
 * Element types of safetensors files and the arrays that hold them.
 *
 * @module
 */
import { brainsToFloats, halvesToFloats } from "./half.ts";

/** The array that holds each element type; float16 and bfloat16 as raw bits. */
export interface SafetensorsArrays {
  /** 64-bit floats. */
  F64: Float64Array;
  /** 32-bit floats. */
  F32: Float32Array;
  /** IEEE 754 16-bit floats, raw bits. */
  F16: Uint16Array;
  /** Upper halves of 32-bit floats, raw bits. */
  BF16: Uint16Array;
  /** 64-bit integers. */
  I64: BigInt64Array;
  /** 32-bit integers. */
  I32: Int32Array;
  /** 16-bit integers. */
  I16: Int16Array;
  /** 8-bit integers. */
  I8: Int8Array;
  /** 64-bit unsigned integers. */
  U64: BigUint64Array;
  /** 32-bit unsigned integers. */
  U32: Uint32Array;
  /** 16-bit unsigned integers. */
  U16: Uint16Array;
  /** Bytes. */
  U8: Uint8Array;
  /** 0 or 1 in a byte. */
  BOOL: Uint8Array;
}

/** Element types that a file can hold. */
export type SafetensorsDType = keyof SafetensorsArrays;

/** A tensor of a file. */
export type SafetensorsEntry = {
  [D in SafetensorsDType]: {
    readonly dtype: D;
    readonly shape: readonly number[];
    /** The elements, row-major. */
    readonly data: SafetensorsArrays[D];
  };
}[SafetensorsDType];

interface ArrayType {
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): SafetensorsArrays[SafetensorsDType];
  readonly BYTES_PER_ELEMENT: number;
}

/** The constructor of the array of each element type. */
export const ARRAY_TYPES: Readonly<Record<SafetensorsDType, ArrayType>> = {
  F64: Float64Array,
  F32: Float32Array,
  F16: Uint16Array,
  BF16: Uint16Array,
  I64: BigInt64Array,
  I32: Int32Array,
  I16: Int16Array,
  I8: Int8Array,
  U64: BigUint64Array,
  U32: Uint32Array,
  U16: Uint16Array,
  U8: Uint8Array,
  BOOL: Uint8Array,
};

/**
 * The elements as float32.
 *
 * @param entry A tensor of any type; numbers that float32 cannot hold are rounded.
 * @returns The entry's own array if it is float32 already, else a new one.
 */
export function toFloat32(entry: SafetensorsEntry): Float32Array {
  switch (entry.dtype) {
    case "F32":
      return entry.data;
    case "F16":
      return halvesToFloats(entry.data);
    case "BF16":
      return brainsToFloats(entry.data);
    case "I64":
    case "U64": {
      const out = new Float32Array(entry.data.length);
      for (let i = 0; i < out.length; i++) out[i] = Number(entry.data[i]!);
      return out;
    }
    default:
      return Float32Array.from(entry.data);
  }
}
