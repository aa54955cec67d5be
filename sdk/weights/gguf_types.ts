/**
 * Element types of GGUF tensors.
 *
 * Numbers and sizes: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md ("File Structure").
 *
 * @module
 */

/** Element types that can be read. */
export type GgufType = "F32" | "F16" | "BF16" | "Q8_0" | "Q4_0" | "Q4_K" | "Q6_K";

/** How a type is stored: rows are made of whole blocks. */
export interface GgufBlock {
  /** The number that stands for the type in a file. */
  readonly id: number;
  /** Elements of a block. */
  readonly elements: number;
  /** Bytes of a block. */
  readonly bytes: number;
}

/** All types that can be read. */
export const GGUF_TYPES: Readonly<Record<GgufType, GgufBlock>> = {
  F32: { id: 0, elements: 1, bytes: 4 },
  F16: { id: 1, elements: 1, bytes: 2 },
  Q4_0: { id: 2, elements: 32, bytes: 18 },
  Q8_0: { id: 8, elements: 32, bytes: 34 },
  Q4_K: { id: 12, elements: 256, bytes: 144 },
  Q6_K: { id: 14, elements: 256, bytes: 210 },
  BF16: { id: 30, elements: 1, bytes: 2 },
};

/**
 * The type of a number in a file.
 *
 * @param id The number.
 * @returns The type; nothing if it cannot be read.
 */
export function ggufTypeOf(id: number): GgufType | undefined {
  return (Object.keys(GGUF_TYPES) as GgufType[]).find((type) => GGUF_TYPES[type].id === id);
}
