/**
 * Reads GGUF files, versions 2 and 3, little-endian.
 *
 * A file is not trusted: every count, length, size and offset is checked against the size of the file before anything is allocated.
 * Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
 *
 * @module
 */
import { blocksToFloats } from "./_gguf_blocks.ts";
import { readHeader } from "./_gguf_header.ts";
import { fillingOf } from "./_gguf_weight.ts";
import type { GgufMetadata } from "./gguf_metadata.ts";
import type { GgufType } from "./gguf_types.ts";
import { type ByteSource, bytesSource } from "./source.ts";
import {
  matrixOf,
  readPieces,
  type RowRange,
  rowsOf,
  type StoredTensor,
  type StoredWeight,
  tensorOf,
  type WeightForm,
  type WeightStore,
} from "./store.ts";

export {
  type GgufArray,
  type GgufItem,
  GgufMetadata,
  type GgufValue,
  type GgufValueType,
} from "./gguf_metadata.ts";
export type { GgufType } from "./gguf_types.ts";

/** A tensor of a GGUF file; its shape is row-major, the reverse of the file's order. */
export interface GgufTensor extends StoredTensor {
  /** How its elements are stored. */
  readonly dtype: GgufType;
}

/** An open GGUF file. */
export interface GgufModel extends WeightStore {
  /** Version of the format, 2 or 3. */
  readonly version: number;
  /** What the file says of the model: architecture, vocabulary, chat template. */
  readonly metadata: GgufMetadata;
  /** Tensors by name, in the order of the file. */
  readonly tensors: ReadonlyMap<string, GgufTensor>;
  /**
   * A matrix for a linear layer. Without `as`:
   *
   * | type      | data                        | scales             | loss                                |
   * | --------- | --------------------------- | ------------------ | ----------------------------------- |
   * | F32, BF16 | float32                     |                    | none                                |
   * | F16       | float16                     |                    | none                                |
   * | Q8_0      | int8                        | one for 32 inputs  | none                                |
   * | Q4_0      | int4                        | one for 32 inputs  | none                                |
   * | Q6_K      | int8, -32 to 31             | one for 16 inputs  | none                                |
   * | Q4_K      | float16 (it has offsets)    |                    | rounding to 11 bits; "f32" has none |
   */
  weight(name: string, form?: WeightForm): Promise<StoredWeight>;
}

/**
 * Opens a file: reads its header, and tensors when they are asked for.
 *
 * @param file The whole file, or a source to read parts from, which `close()` of the model closes.
 * @returns The model.
 * @example
 * ```ts
 * import { readFile } from "node:fs/promises";
 * import { openGguf } from "./gguf.ts";
 *
 * const model = await openGguf(await readFile("model.gguf"));
 * const { data, shape, scales } = await model.weight("blk.0.ffn_up.weight"); // for device.weight()
 * ```
 * @throws WeightsError if it is not a well-formed GGUF file of the types that can be read.
 */
export async function openGguf(file: Uint8Array | ByteSource): Promise<GgufModel> {
  const source = file instanceof Uint8Array ? bytesSource(file) : file;
  const { version, metadata, tensors } = await readHeader(source);
  return {
    version,
    metadata,
    tensors,
    async floats(name: string, range?: RowRange) {
      const tensor = tensorOf(tensors, name);
      const rows = rowsOf(tensor, range);
      const out = new Float32Array(rows.count * rows.cols);
      await readPieces(source, tensor, rows, (bytes, at) => blocksToFloats(tensor.dtype, bytes, out, at));
      return out;
    },
    async weight(name: string, { as, rows: range }: WeightForm = {}) {
      const tensor = tensorOf(tensors, name);
      const [, k] = matrixOf(tensor);
      const rows = rowsOf(tensor, range);
      const { put, ...parts } = fillingOf(name, tensor.dtype, rows.count * k, as);
      await readPieces(source, tensor, rows, put);
      return { ...parts, shape: [rows.count, k] };
    },
    close: async () => await source.close?.(),
  };
}
