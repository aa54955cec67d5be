/**
 * Elements of GGUF blocks as float32.
 *
 * A block of Q8_0 is a float16 scale and 32 int8 numbers; of Q4_0 a float16 scale and 16 bytes, whose low nibbles are elements
 * 0 to 15 and whose high nibbles are elements 16 to 31, each stored plus 8. Q4_K and Q6_K are described at their functions.
 * Facts: https://github.com/ggml-org/llama.cpp/wiki/Tensor-Encoding-Schemes and gguf-py/gguf/quants.py there.
 *
 * @module
 */
import { brainsToFloats, fromHalf, halvesToFloats } from "./half.ts";
import { GGUF_TYPES, type GgufType } from "./gguf_types.ts";

/**
 * Expands whole blocks; each result is the exact value rounded once to float32.
 *
 * @param type Their type.
 * @param bytes The blocks.
 * @param out Receives the elements, from index `at` on.
 * @param at Where the first one goes.
 */
export function blocksToFloats(type: GgufType, bytes: Uint8Array, out: Float32Array, at: number): void {
  if (type === "F32") {
    new Uint8Array(out.buffer, out.byteOffset + 4 * at, bytes.length).set(bytes);
  } else if (type === "F16") {
    out.set(halvesToFloats(wordsOf(bytes)), at);
  } else if (type === "BF16") {
    out.set(brainsToFloats(wordsOf(bytes)), at);
  } else {
    const { elements, bytes: size } = GGUF_TYPES[type];
    const expand = EXPAND[type];
    for (let begin = 0; begin < bytes.length; begin += size, at += elements) expand(bytes, begin, out, at);
  }
}

/** Bytes as 16-bit numbers; a copy if they are not aligned. */
export function wordsOf(bytes: Uint8Array): Uint16Array {
  const aligned = bytes.byteOffset % 2 === 0 ? bytes : new Uint8Array(bytes);
  return new Uint16Array(aligned.buffer, aligned.byteOffset, bytes.length / 2);
}

/** The float16 number at a byte. */
export function halfAt(bytes: Uint8Array, at: number): number {
  return fromHalf(bytes[at]! | (bytes[at + 1]! << 8));
}

type Expand = (bytes: Uint8Array, begin: number, out: Float32Array, at: number) => void;

const EXPAND: Readonly<Record<"Q8_0" | "Q4_0" | "Q4_K" | "Q6_K", Expand>> = {
  Q8_0(bytes, begin, out, at) {
    const scale = halfAt(bytes, begin);
    for (let i = 0; i < 32; i++) out[at + i] = scale * (bytes[begin + 2 + i]! << 24 >> 24);
  },
  Q4_0(bytes, begin, out, at) {
    const scale = halfAt(bytes, begin);
    for (let i = 0; i < 16; i++) {
      const pair = bytes[begin + 2 + i]!;
      out[at + i] = scale * ((pair & 15) - 8);
      out[at + 16 + i] = scale * ((pair >> 4) - 8);
    }
  },
  Q4_K: expandQ4K,
  Q6_K: expandQ6K,
};

/**
 * 256 elements in 8 groups of 32: element = d * scale[g] * q - dmin * min[g].
 *
 * Bytes 0 and 2: float16 d and dmin; 4 to 15: scales and minima of 6 bits; 16 to 143: q of 4 bits. A run of 32 bytes holds an even group in
 * its low nibbles and the next group in its high ones.
 */
function expandQ4K(bytes: Uint8Array, begin: number, out: Float32Array, at: number): void {
  const d = halfAt(bytes, begin);
  const dmin = halfAt(bytes, begin + 2);
  const packed = begin + 4;
  for (let group = 0; group < 8; group++) {
    let scale: number;
    let min: number;
    if (group < 4) {
      scale = bytes[packed + group]! & 63;
      min = bytes[packed + group + 4]! & 63;
    } else {
      // Low nibbles in the last four bytes, the upper two bits on top of the first eight.
      const low = bytes[packed + group + 4]!;
      scale = (low & 15) | (bytes[packed + group - 4]! >> 6 << 4);
      min = (low >> 4) | (bytes[packed + group]! >> 6 << 4);
    }
    const shift = 4 * (group & 1);
    const run = begin + 16 + 32 * (group >> 1);
    const to = at + 32 * group;
    for (let i = 0; i < 32; i++) out[to + i] = d * scale * ((bytes[run + i]! >> shift) & 15) - dmin * min;
  }
}

/** 256 elements in 16 groups of 16: element = d * scale[g] * q, q from -32 to 31. */
function expandQ6K(bytes: Uint8Array, begin: number, out: Float32Array, at: number): void {
  const q = new Int8Array(256);
  unpackQ6K(bytes, begin, q, 0);
  for (let group = 0; group < 16; group++) {
    const scale = scaleOfQ6K(bytes, begin, group);
    for (let i = 16 * group; i < 16 * group + 16; i++) out[at + i] = scale * q[i]!;
  }
}

/** The scale of 16 consecutive elements: an int8 number (from byte 192 on) times the float16 number at byte 208; exact in float32. */
export function scaleOfQ6K(bytes: Uint8Array, begin: number, group: number): number {
  return halfAt(bytes, begin + 208) * (bytes[begin + 192 + group]! << 24 >> 24);
}

/**
 * The numbers of a Q6_K block, -32 to 31.
 *
 * They come in two halves of 128, each of four runs of 32. Bytes 0 to 127 hold the low four bits (64 to a half: runs 0 and 1 in the low
 * nibbles, 2 and 3 in the high ones), bytes 128 to 191 the upper two (32 to a half, run r at bit 2 r).
 */
export function unpackQ6K(bytes: Uint8Array, begin: number, out: Int8Array, at: number): void {
  for (let half = 0; half < 2; half++) {
    const low = begin + 64 * half;
    const high = begin + 128 + 32 * half;
    const to = at + 128 * half;
    for (let i = 0; i < 32; i++) {
      const first = bytes[low + i]!;
      const second = bytes[low + 32 + i]!;
      const top = bytes[high + i]!;
      out[to + i] = ((first & 15) | (top & 3) << 4) - 32;
      out[to + 32 + i] = ((second & 15) | (top >> 2 & 3) << 4) - 32;
      out[to + 64 + i] = ((first >> 4) | (top >> 4 & 3) << 4) - 32;
      out[to + 96 + i] = ((second >> 4) | (top >> 6) << 4) - 32;
    }
  }
}
