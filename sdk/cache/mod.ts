/**
 * Caches of keys and values, and attention over them.
 *
 * @module
 */
export { bitmap, type BitmapOptions } from "./bitmap.ts";
export { attendCache, type AttendCacheOptions, decode, type DecodeOptions } from "./decode.ts";
export { dense, type DenseOptions } from "./dense.ts";
export { KVCache, type KVCacheOptions } from "./kv_cache.ts";
export { offload, type OffloadOptions } from "./offload.ts";
export { paged, type PagedOptions } from "./paged.ts";
export { quantized, type QuantizedOptions } from "./quantized.ts";
export { storageOf } from "./storage_of.ts";
export type { RowShape, Section, Storage, StorageSpec, Store, StoreState } from "./storage.ts";
export type { CodedRows, RowCodec } from "../device/row_codec.ts";
