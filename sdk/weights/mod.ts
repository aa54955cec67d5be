/**
 * Weights files.
 *
 * @module
 */
export {
  readSafetensors,
  type SafetensorsArrays,
  type SafetensorsDType,
  type SafetensorsEntry,
  type SafetensorsFile,
  toFloat32,
  writeSafetensors,
} from "./safetensors.ts";
export {
  type GgufArray,
  type GgufItem,
  GgufMetadata,
  type GgufModel,
  type GgufTensor,
  type GgufType,
  type GgufValue,
  type GgufValueType,
  openGguf,
} from "./gguf.ts";
export { openGgufModel } from "./gguf_shards.ts";
export { folderFiles, openFile } from "./node_files.ts";
export { openSafetensorsModel, type SafetensorsModel, type SafetensorsTensor } from "./sharded.ts";
export { type ByteSource, bytesSource, memoryFiles, type WeightFiles } from "./source.ts";
export type { RowRange, StoredTensor, StoredWeight, WeightForm, WeightStore } from "./store.ts";
