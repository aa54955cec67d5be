/**
 * Rows as they are, float32 or float16.
 *
 * @module
 */
import { floatCodec } from "../device/row_codec.ts";
import { rowStorage } from "./row_store.ts";
import type { Storage } from "./storage.ts";

/** Options of {@linkcode dense}. */
export interface DenseOptions {
  /** Element type; float16 rounds to the nearest. @default "f32" */
  readonly type?: "f32" | "f16";
}

/**
 * Keeps keys and values as they are.
 *
 * @example
 * ```ts
 * import { openDevice } from "../device/mod.ts";
 * import { dense, KVCache } from "./mod.ts";
 *
 * const device = await openDevice();
 * const cache = new KVCache(device, { heads: 2, headDim: 64, storage: dense({ type: "f16" }) });
 * device.dispose();
 * ```
 * @throws RangeError for another type.
 */
export function dense({ type = "f32" }: DenseOptions = {}): Storage {
  if (type !== "f32" && type !== "f16") {
    throw new RangeError(`Cannot use dense: "type" is "${type}", expected "f32" or "f16"`);
  }
  return rowStorage({ name: "dense", type }, (headDim) => floatCodec(type, headDim));
}
