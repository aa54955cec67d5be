/**
 * Blocks of a GGUF file as weights of a device, without a way through float32 where the device has such a form.
 *
 * @module
 */
import type { WeightData } from "../device/device.ts";
import { blocksToFloats, halfAt, scaleOfQ6K, unpackQ6K, wordsOf } from "./_gguf_blocks.ts";
import { GGUF_TYPES, type GgufType } from "./gguf_types.ts";
import { narrow } from "./store.ts";

/** A weight that is filled block by block. */
export interface Filling {
  readonly data: WeightData;
  readonly scales?: Float32Array;
  /** Takes whole blocks and the index of their first element. */
  readonly put: (bytes: Uint8Array, at: number) => void;
}

/**
 * Makes room for a weight in the form that {@linkcode GgufModel.weight} documents.
 *
 * @param name The tensor, for errors.
 * @param type Its type.
 * @param count Number of elements.
 * @param as The form, if not the type's own.
 * @returns An empty weight.
 */
export function fillingOf(name: string, type: GgufType, count: number, as?: "f32" | "f16"): Filling {
  if (as === undefined && type === "Q8_0") return fillQ80(count);
  if (as === undefined && type === "Q4_0") return fillQ40(count);
  if (as === undefined && type === "Q6_K") return fillQ6K(count);
  if (as === "f32" || (as === undefined && (type === "F32" || type === "BF16"))) {
    const data = new Float32Array(count);
    return { data, put: (bytes, at) => blocksToFloats(type, bytes, data, at) };
  }
  const data = new Uint16Array(count);
  if (type === "F16") return { data, put: (bytes, at) => data.set(wordsOf(bytes), at) };
  return {
    data,
    put(bytes, at) {
      const { elements, bytes: size } = GGUF_TYPES[type];
      const floats = new Float32Array(bytes.length / size * elements);
      blocksToFloats(type, bytes, floats, 0);
      data.set(narrow(name, floats), at);
    },
  };
}

function fillQ80(count: number): Filling {
  const data = new Int8Array(count);
  const scales = new Float32Array(count / 32);
  return {
    data,
    scales,
    put(bytes, at) {
      for (let begin = 0; begin < bytes.length; begin += 34, at += 32) {
        scales[at / 32] = halfAt(bytes, begin);
        for (let i = 0; i < 32; i++) data[at + i] = bytes[begin + 2 + i]!;
      }
    },
  };
}

function fillQ40(count: number): Filling {
  const data = new Uint8Array(count / 2);
  const scales = new Float32Array(count / 32);
  return {
    data,
    scales,
    put(bytes, at) {
      for (let begin = 0; begin < bytes.length; begin += 18, at += 32) {
        scales[at / 32] = halfAt(bytes, begin);
        // The file pairs element i with i + 16, the device i with i + 1; both store plus 8.
        for (let i = 0; i < 8; i++) {
          const even = bytes[begin + 2 + 2 * i]!;
          const odd = bytes[begin + 3 + 2 * i]!;
          data[at / 2 + i] = (even & 15) | (odd & 15) << 4;
          data[at / 2 + 8 + i] = (even >> 4) | (odd & 240);
        }
      }
    },
  };
}

function fillQ6K(count: number): Filling {
  const data = new Int8Array(count);
  const scales = new Float32Array(count / 16);
  return {
    data,
    scales,
    put(bytes, at) {
      for (let begin = 0; begin < bytes.length; begin += 210, at += 256) {
        unpackQ6K(bytes, begin, data, at);
        for (let group = 0; group < 16; group++) scales[at / 16 + group] = scaleOfQ6K(bytes, begin, group);
      }
    },
  };
}
