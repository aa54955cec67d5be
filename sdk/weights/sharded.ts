/**
 * The safetensors files of a model directory: `model.safetensors`, or shards and an index that says which tensor is in which.
 *
 * @module
 */
import { WeightsError } from "../device/errors.ts";
import { entryOf, headerEnd, parseHeader, type SafetensorsTensor } from "./_safetensors_header.ts";
import { readShardIndex } from "./_shard_index.ts";
import { type SafetensorsEntry, toFloat32 } from "./dtypes.ts";
import { type ByteSource, readExactly, type WeightFiles } from "./source.ts";
import {
  matrixOf,
  narrow,
  readPieces,
  rowsOf,
  type StoredWeight,
  tensorOf,
  type WeightForm,
  type WeightStore,
} from "./store.ts";

export type { SafetensorsTensor } from "./_safetensors_header.ts";

const SINGLE = "model.safetensors";
const INDEX = "model.safetensors.index.json";

/** The tensors of a model directory. */
export interface SafetensorsModel extends WeightStore {
  /** Tensors by name, shard after shard. */
  readonly tensors: ReadonlyMap<string, SafetensorsTensor>;
  /** A tensor of any type, as it is stored; a view if the directory is in memory. */
  read(name: string): Promise<SafetensorsEntry>;
  /** A matrix of F32, F16 or BF16. Without `as`, F16 is given as float16 and the others as float32: all exactly. */
  weight(name: string, form?: WeightForm): Promise<StoredWeight>;
}

/** A tensor and the open file that has it. */
interface Home {
  readonly tensor: SafetensorsTensor;
  readonly source: ByteSource;
}

/**
 * Opens the safetensors files of a model directory: reads headers, and tensors when they are asked for.
 *
 * @param files The directory; of `model.safetensors` and `model.safetensors.index.json`, the former counts if both are there.
 * @returns The tensors of all files.
 * @example
 * ```ts
 * import { folderFiles } from "./node_files.ts";
 * import { openSafetensorsModel } from "./sharded.ts";
 *
 * const model = await openSafetensorsModel(folderFiles("models/llama"));
 * const norm = await model.floats("model.norm.weight");
 * ```
 * @throws WeightsError if a file is missing or broken, or files and index do not fit each other.
 */
export async function openSafetensorsModel(files: WeightFiles): Promise<SafetensorsModel> {
  const open: ByteSource[] = [];
  const close = async () => {
    for (const source of open) await source.close?.();
  };
  try {
    return storeOf(await openShards(files, open), close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function openShards(files: WeightFiles, open: ByteSource[]): Promise<Map<string, Home>> {
  const homes = new Map<string, Home>();
  const single = await files.open(SINGLE);
  if (single !== undefined) {
    open.push(single);
    for (const tensor of await readTensorList(single, SINGLE)) {
      homes.set(tensor.name, { tensor, source: single });
    }
    return homes;
  }

  const { fileOf, names } = await readShardIndex(files, INDEX, SINGLE);
  for (const file of names) {
    const source = await files.open(file);
    if (source === undefined) {
      throw new WeightsError(`Cannot read "${file}": "${INDEX}" lists it but there is no such file`);
    }
    open.push(source);
    for (const tensor of await readTensorList(source, file)) {
      const listed = fileOf.get(tensor.name);
      if (listed !== file) {
        const place = listed === undefined ? "does not list it" : `says that it is in "${listed}"`;
        throw new WeightsError(
          `Cannot read "${file}": it has tensor ${JSON.stringify(tensor.name)} but "${INDEX}" ${place}`,
        );
      }
      homes.set(tensor.name, { tensor, source });
    }
  }
  for (const [name, file] of fileOf) {
    if (homes.has(name)) continue;
    throw new WeightsError(
      `Cannot read "${file}": "${INDEX}" says that it has tensor ${JSON.stringify(name)} but it has not`,
    );
  }
  return homes;
}

async function readTensorList(source: ByteSource, file: string): Promise<readonly SafetensorsTensor[]> {
  const what = JSON.stringify(file);
  const start = await readExactly(source, 0, Math.min(8, source.size));
  const end = headerEnd(start, source.size, what);
  return parseHeader(await readExactly(source, 8, end - 8), source.size, what).tensors;
}

function storeOf(homes: ReadonlyMap<string, Home>, close: () => Promise<void>): SafetensorsModel {
  const tensors = new Map([...homes].map(([name, { tensor }]) => [name, tensor]));
  const homeOf = (name: string): Home => homes.get(tensorOf(tensors, name).name)!;
  return {
    tensors,
    async read(name) {
      const { tensor, source } = homeOf(name);
      return entryOf(tensor, await readExactly(source, tensor.offset, tensor.bytes));
    },
    async floats(name, range) {
      const { tensor, source } = homeOf(name);
      const rows = rowsOf(tensor, range);
      const out = new Float32Array(rows.count * rows.cols);
      await readPieces(source, tensor, rows, (bytes, at) => out.set(toFloat32(entryOf(tensor, bytes)), at));
      return out;
    },
    async weight(name, { as, rows: range } = {}) {
      const { tensor, source } = homeOf(name);
      const [, k] = matrixOf(tensor);
      const { dtype } = tensor;
      if (dtype !== "F32" && dtype !== "F16" && dtype !== "BF16") {
        throw new WeightsError(
          `Cannot read tensor ${
            JSON.stringify(name)
          } as a weight: its type is ${dtype}, expected F32, F16 or BF16`,
        );
      }
      const rows = rowsOf(tensor, range);
      const form = as ?? (dtype === "F16" ? "f16" : "f32");
      const data = form === "f16" ? new Uint16Array(rows.count * k) : new Float32Array(rows.count * k);
      await readPieces(source, tensor, rows, (bytes, at) => {
        const entry = entryOf(tensor, bytes);
        if (form === "f32") data.set(toFloat32(entry), at);
        else data.set(entry.dtype === "F16" ? entry.data : narrow(name, toFloat32(entry)), at);
      });
      return { data, shape: [rows.count, k] };
    },
    close,
  };
}
