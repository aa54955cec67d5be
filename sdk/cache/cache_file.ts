/**
 * A cache as a safetensors file.
 *
 * @module
 */
import type { TensorData } from "../device/device.ts";
import { WeightsError } from "../device/errors.ts";
import { readAny } from "../device/read_any.ts";
import type { Tensor } from "../device/tensor.ts";
import { readSafetensors, type SafetensorsEntry, writeSafetensors } from "../weights/safetensors.ts";
import type { StorageSpec } from "./storage.ts";

const FORMAT = "filigree-kv-1";

/** Names of element types in a file. */
const FILE_TYPES = { f32: "F32", f16: "F16", i32: "I32", u8: "U8", i8: "I8" } as const;

/** What a file says beside its tensors. */
export interface CacheHeader {
  readonly heads: number;
  readonly headDim: number;
  readonly queryHeads: number;
  readonly layer?: number | undefined;
  /** Tokens. */
  readonly length: number;
  readonly storage: StorageSpec;
  /** Numbers of the store. */
  readonly numbers: Readonly<Record<string, readonly number[]>>;
}

/** Reads the tensors and writes the file. */
export async function encodeCache(
  header: CacheHeader,
  tensors: Readonly<Record<string, Tensor>>,
): Promise<Uint8Array<ArrayBuffer>> {
  const entries = await Promise.all(
    Object.entries(tensors).map(async ([name, tensor]) => [name, await entryOf(tensor)] as const),
  );
  return writeSafetensors(new Map(entries), { format: FORMAT, cache: JSON.stringify(header) });
}

/** The array of a tensor in a file. */
export interface SavedArray {
  readonly data: TensorData;
  readonly shape: readonly number[];
}

/**
 * Reads a file.
 *
 * @throws WeightsError if it is no cache.
 */
export function decodeCache(
  file: Uint8Array,
): { readonly header: CacheHeader; readonly arrays: ReadonlyMap<string, SavedArray> } {
  const { tensors, metadata } = readSafetensors(file);
  if (metadata["format"] !== FORMAT) {
    throw new WeightsError(
      `Cannot restore the cache: its format is ${JSON.stringify(metadata["format"])}, expected "${FORMAT}"`,
    );
  }
  const header = parseHeader(metadata["cache"]);
  const arrays = new Map<string, SavedArray>();
  for (const [name, { dtype, shape, data }] of tensors) {
    if (!Object.values(FILE_TYPES).some((type) => type === dtype)) {
      throw new WeightsError(`Cannot restore the cache: "${name}" has type ${dtype}`);
    }
    arrays.set(name, { data: data as TensorData, shape });
  }
  return { header, arrays };
}

function parseHeader(text: string | undefined): CacheHeader {
  let header: CacheHeader;
  try {
    header = JSON.parse(text ?? "") as CacheHeader;
  } catch (cause) {
    throw new WeightsError("Cannot restore the cache: its description is not JSON", { cause });
  }
  const { length, storage, numbers } = header ?? {};
  const lists = typeof numbers === "object" && numbers !== null && Object.values(numbers).every(areWhole);
  if (!Number.isSafeInteger(length) || length < 0 || typeof storage?.name !== "string" || !lists) {
    throw new WeightsError("Cannot restore the cache: its description lacks length, storage or numbers");
  }
  return header;
}

function areWhole(list: unknown): boolean {
  return Array.isArray(list) && list.every((value) => Number.isSafeInteger(value));
}

async function entryOf(tensor: Tensor): Promise<SafetensorsEntry> {
  const data = await readAny(tensor);
  return { dtype: FILE_TYPES[tensor.dtype], shape: tensor.shape, data } as SafetensorsEntry;
}
