/**
 * Opens the files of a language model.
 *
 * @module
 */
import { WeightsError } from "../device/errors.ts";
import { type GgufMetadata, type GgufModel, openGguf } from "../weights/gguf.ts";
import { openGgufModel } from "../weights/gguf_shards.ts";
import { folderFiles } from "../weights/node_files.ts";
import { openSafetensorsModel } from "../weights/sharded.ts";
import type { WeightFiles } from "../weights/source.ts";
import type { WeightStore } from "../weights/store.ts";
import { type DecoderConfig, readConfig, readIds } from "./config.ts";
import { ggufConfig } from "./gguf_config.ts";
import { readJson } from "./read_json.ts";
import { DIRECTORY_NAMES, GGUF_NAMES, type Naming } from "./tensor_names.ts";

/**
 * Where a model is: the path of a directory (`config.json` beside `model.safetensors` or its shards) or of a `.gguf` file (the first of several), the
 * files of such a directory, or the bytes of a GGUF file.
 */
export type ModelSource = string | URL | WeightFiles | Uint8Array;

/** An open model: what it is, and where its weights are read from. */
export interface OpenModel {
  /** What it is. */
  readonly config: DecoderConfig;
  /** Its weights; to be closed. */
  readonly store: WeightStore;
  /** How they are called. */
  readonly naming: Naming;
  /** The directory, for a tokenizer. */
  readonly files?: WeightFiles | undefined;
  /** The metadata of a GGUF file, for a tokenizer. */
  readonly metadata?: GgufMetadata | undefined;
}

/**
 * Opens a model: reads what it is, not yet its weights.
 *
 * @param source Where it is.
 * @returns The open model.
 * @throws WeightsError if a file is missing or broken; SyntaxError, TypeError or RangeError if its configuration is not one that can be run.
 */
export async function openModel(source: ModelSource): Promise<OpenModel> {
  if (source instanceof Uint8Array) return await ofGguf(await openGguf(source));
  if (source instanceof URL) return await openModel((await import("node:url")).fileURLToPath(source));
  if (typeof source !== "string") return await ofFiles(source);
  if (!/\.gguf$/i.test(source)) return await ofFiles(folderFiles(source), source);
  const cut = Math.max(source.lastIndexOf("/"), source.lastIndexOf("\\")) + 1;
  return await ofGguf(await openGgufModel(folderFiles(source.slice(0, cut) || "."), source.slice(cut)));
}

async function ofGguf(store: GgufModel): Promise<OpenModel> {
  try {
    return { config: ggufConfig(store), store, naming: GGUF_NAMES, metadata: store.metadata };
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function ofFiles(files: WeightFiles, path = "the model"): Promise<OpenModel> {
  const values = await readJson(files, "config.json");
  if (values === undefined) {
    throw new WeightsError(
      `Cannot open "${path}": it has no "config.json", expected a model directory or a ".gguf" file`,
    );
  }
  const config = readConfig(values);
  // Chat models name the token that ends a turn here alone.
  const generation = await readJson(files, "generation_config.json") ?? {};
  const eosIds = [...new Set([...config.eosIds, ...readIds(generation, "eos_token_id")])];
  const store = await openSafetensorsModel(files);
  return { config: { ...config, eosIds }, store, naming: DIRECTORY_NAMES, files };
}
