/**
 * Text files of a model directory.
 *
 * @module
 */
import { isRecord } from "../weights/_safetensors_header.ts";
import { readExactly, type WeightFiles } from "../weights/source.ts";

/** What a JSON file has at its top. */
export type JsonObject = { readonly [key: string]: unknown };

/** Largest text file that is read: the largest vocabularies take 20 MB. */
const LARGEST = 2 ** 28;

/**
 * Reads a text file.
 *
 * @param files The directory.
 * @param name The file.
 * @returns Its text; nothing if there is no such file.
 * @throws RangeError if it is larger than 256 MiB.
 * @throws SyntaxError if it is not UTF-8.
 */
export async function readText(files: WeightFiles, name: string): Promise<string | undefined> {
  const source = await files.open(name);
  if (source === undefined) return undefined;
  try {
    if (source.size > LARGEST) {
      throw new RangeError(`Cannot read "${name}": it has ${source.size} bytes, expected at most ${LARGEST}`);
    }
    const bytes = await readExactly(source, 0, source.size);
    try {
      return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    } catch (cause) {
      throw new SyntaxError(`Cannot read "${name}": it is not UTF-8`, { cause });
    }
  } finally {
    await source.close?.();
  }
}

/**
 * Reads a JSON file with an object.
 *
 * @param files The directory.
 * @param name The file.
 * @returns The object; nothing if there is no such file.
 * @throws SyntaxError if it is not JSON, or no object.
 */
export async function readJson(files: WeightFiles, name: string): Promise<JsonObject | undefined> {
  const text = await readText(files, name);
  if (text === undefined) return undefined;
  const value = ((): unknown => {
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw new SyntaxError(`Cannot read "${name}": ${cause instanceof Error ? cause.message : cause}`, {
        cause,
      });
    }
  })();
  if (isRecord(value)) return value;
  throw new SyntaxError(`Cannot read "${name}": expected an object at the top`);
}
