/**
 * Storages by name.
 *
 * @module
 */
import { bitmap, type BitmapOptions } from "./bitmap.ts";
import { dense, type DenseOptions } from "./dense.ts";
import { offload, type OffloadOptions } from "./offload.ts";
import { paged, type PagedOptions } from "./paged.ts";
import { quantized, type QuantizedOptions } from "./quantized.ts";
import type { Storage, StorageSpec } from "./storage.ts";

/**
 * The storage that a spec describes.
 *
 * @param spec Its name and options.
 * @returns The storage.
 * @throws RangeError if there is none of this name, or an option is out of range.
 */
export function storageOf(spec: StorageSpec): Storage {
  const { name, ...options } = spec;
  switch (name) {
    case "dense":
      return dense(options as DenseOptions);
    case "quantized":
      return quantized(options as QuantizedOptions);
    case "bitmap":
      return bitmap(options as BitmapOptions);
    case "offload":
      return offload({ ...options, of: storageOf(options["of"] as StorageSpec) } as OffloadOptions);
    case "paged":
      return paged({ ...options, of: storageOf(options["of"] as StorageSpec) } as PagedOptions);
  }
  throw new RangeError(`Cannot use storage "${name}": expected dense, quantized, bitmap, paged or offload`);
}
