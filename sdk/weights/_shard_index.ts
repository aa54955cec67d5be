/**
 * Reads the index of a sharded safetensors model: a JSON object whose `weight_map` names the file of each tensor.
 *
 * @module
 */
import { WeightsError } from "../device/errors.ts";
import { failing, isRecord, parseObject } from "./_safetensors_header.ts";
import { readExactly, type WeightFiles } from "./source.ts";

/** Largest index that is read, in bytes. */
const MAX_INDEX = 100_000_000;
/** The index, its metadata or map; some tools write lists into the metadata. */
const MAX_DEPTH = 8;
const NUMBERED = /^(.*)-(\d{5})-of-(\d{5})\.safetensors$/s;

/** Which file has which tensor. */
export interface ShardIndex {
  /** File names by tensor names. */
  readonly fileOf: ReadonlyMap<string, string>;
  /** All files, sorted. */
  readonly names: readonly string[];
}

/**
 * Reads an index.
 *
 * @param files The model directory.
 * @param file The name of the index.
 * @param instead What the directory may have instead, for the error.
 * @returns Which file has which tensor; whether they have them is not checked yet.
 * @throws WeightsError if it is missing or broken, or names a file outside of the directory.
 */
export async function readShardIndex(files: WeightFiles, file: string, instead: string): Promise<ShardIndex> {
  const source = await files.open(file);
  if (source === undefined) {
    throw new WeightsError(`Cannot read the weights: the directory has neither "${instead}" nor "${file}"`);
  }
  const fail = failing(JSON.stringify(file));
  let bytes: Uint8Array;
  try {
    if (source.size > MAX_INDEX) fail(`it has ${source.size} bytes, expected at most ${MAX_INDEX}`);
    bytes = await readExactly(source, 0, source.size);
  } finally {
    await source.close?.();
  }
  const { weight_map: map } = parseObject(bytes, MAX_DEPTH, JSON.stringify(file));
  if (!isRecord(map) || Object.keys(map).length === 0) {
    return fail('its "weight_map" is not an object that names the file of each tensor');
  }
  const fileOf = new Map<string, string>();
  for (const [tensor, name] of Object.entries(map)) {
    if (typeof name !== "string" || !/^[^/\\:\0]+\.safetensors$/.test(name) || name.includes("..")) {
      fail(
        `the file of tensor ${JSON.stringify(tensor)} is ${JSON.stringify(name)}, ` +
          `expected a name that ends with ".safetensors", without a path`,
      );
    }
    fileOf.set(tensor, name as string);
  }
  const names = [...new Set(fileOf.values())].sort();
  const wrong = checkNumbers(names);
  if (wrong !== undefined) fail(wrong);
  return { fileOf, names };
}

/** Names like model-00001-of-00003.safetensors must be all parts of one model, each once. */
function checkNumbers(names: readonly string[]): string | undefined {
  const parts = names.map((name) => NUMBERED.exec(name));
  if (parts.includes(null)) return undefined;
  const [, stem, , total] = parts[0]!;
  for (const [i, name] of names.entries()) {
    const expected = `${stem}-${String(i + 1).padStart(5, "0")}-of-${total}.safetensors`;
    if (name !== expected) {
      return `its files are not the parts of one model in order: it names "${name}", expected "${expected}"`;
    }
  }
  if (names.length === Number(total)) return undefined;
  return `it names ${names.length} files, expected ${Number(total)} by their names`;
}
