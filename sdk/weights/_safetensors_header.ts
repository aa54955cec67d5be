/**
 * Checks the header of a safetensors file, of which the data need not be in memory.
 *
 * @module
 */
import { WeightsError } from "../device/errors.ts";
import { checkJson } from "./_check_json.ts";
import { ARRAY_TYPES, type SafetensorsDType, type SafetensorsEntry } from "./dtypes.ts";
import type { StoredTensor } from "./store.ts";

/** A tensor of a safetensors file. */
export interface SafetensorsTensor extends StoredTensor {
  /** How its elements are stored. */
  readonly dtype: SafetensorsDType;
}

/** Largest header that the format allows, in bytes. */
export const MAX_HEADER = 100_000_000;
/** Header, tensor, shape: deeper nesting has no meaning. */
const MAX_DEPTH = 3;
/** Its entry is no tensor. */
export const METADATA = "__metadata__";

/** What a header says, checked. */
export interface SafetensorsHeader {
  /** Tensors in the order of their data. */
  readonly tensors: readonly SafetensorsTensor[];
  /** What the file says of itself. */
  readonly metadata: Record<string, string>;
}

/**
 * The end of the header, where the data begins.
 *
 * @param start The first 8 bytes of the file, or all if it has fewer.
 * @param size Size of the file, in bytes.
 * @param what The file, for errors.
 * @returns The index of the byte.
 * @throws WeightsError if the header cannot end there.
 */
export function headerEnd(start: Uint8Array, size: number, what: string): number {
  const fail = failing(what);
  if (start.length < 8) {
    fail(`it has ${start.length} bytes, expected at least 8 for the length of the header`);
  }
  const length = new DataView(start.buffer, start.byteOffset).getBigUint64(0, true);
  if (length < 2n || length > MAX_HEADER) fail(`its header has ${length} bytes, expected 2 to ${MAX_HEADER}`);
  const end = 8 + Number(length);
  if (end > size) fail(`its header ends at byte ${end} but the file has ${size} bytes`);
  return end;
}

/**
 * Parses the header.
 *
 * @param text The bytes between the length of the header and the data.
 * @param size Size of the file, in bytes.
 * @param what The file, for errors.
 * @returns What it says.
 * @throws WeightsError if it is not a well-formed safetensors file.
 */
export function parseHeader(text: Uint8Array, size: number, what: string): SafetensorsHeader {
  const fail = failing(`the header of ${what}`);
  if (text[0] !== 0x7b) fail("it does not begin with a brace");
  const { [METADATA]: metadata = {}, ...entries } = parseObject(text, MAX_DEPTH, `the header of ${what}`);
  if (!isRecord(metadata) || Object.values(metadata).some((value) => typeof value !== "string")) {
    fail(`"${METADATA}" is not an object of strings`);
  }
  const dataStart = 8 + text.length;
  const tensors = Object.entries(entries).map(([name, entry]) => checkEntry(what, name, entry, dataStart));
  tensors.sort((a, b) => a.offset - b.offset || a.bytes - b.bytes);
  checkCoverage(what, tensors, dataStart, size);
  return { tensors, metadata: metadata as Record<string, string> };
}

/** Bytes of a tensor, or of some of its rows, as an entry; a copy only if they are not aligned. */
export function entryOf({ dtype, shape }: SafetensorsTensor, bytes: Uint8Array): SafetensorsEntry {
  const ArrayOf = ARRAY_TYPES[dtype];
  const width = ArrayOf.BYTES_PER_ELEMENT;
  const aligned = bytes.byteOffset % width === 0 ? bytes : new Uint8Array(bytes);
  const data = new ArrayOf(aligned.buffer, aligned.byteOffset, bytes.length / width);
  return { dtype, shape, data } as SafetensorsEntry;
}

/** Parses a JSON object that may be hostile. */
export function parseObject(bytes: Uint8Array, maxDepth: number, what: string): Record<string, unknown> {
  const fail = failing(what);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    return fail("it is not UTF-8", cause);
  }
  const wrong = checkJson(text, maxDepth);
  if (wrong !== undefined) fail(wrong);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    return fail("it is not JSON", cause);
  }
  return isRecord(value) ? value : fail("it is not a JSON object");
}

/** Makes errors about one thing. */
export function failing(what: string): (reason: string, cause?: unknown) => never {
  return (reason, cause) => {
    throw new WeightsError(`Cannot read ${what}: ${reason}`, cause === undefined ? {} : { cause });
  };
}

/** True for a JSON object. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function checkEntry(what: string, name: string, entry: unknown, dataStart: number): SafetensorsTensor {
  const fail = failing(`tensor ${JSON.stringify(name)} of ${what}`);
  if (!isRecord(entry)) return fail("its entry is not an object");
  const { dtype, shape, data_offsets: offsets } = entry;
  if (typeof dtype !== "string" || !Object.hasOwn(ARRAY_TYPES, dtype)) {
    return fail(
      `its type is ${JSON.stringify(dtype)}, expected one of ${Object.keys(ARRAY_TYPES).join(", ")}`,
    );
  }
  if (!isSizes(shape)) {
    return fail(`its shape is ${JSON.stringify(shape)}, expected a list of whole numbers from 0`);
  }
  if (!isSizes(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]!) {
    return fail(`its offsets are ${JSON.stringify(offsets)}, expected two whole numbers in order`);
  }
  const [begin, end] = offsets as [number, number];
  let elements = 1;
  for (const size of shape) {
    elements *= size;
    if (elements > Number.MAX_SAFE_INTEGER) fail(`its shape [${shape}] has more than 2^53 elements`);
  }
  const bytes = elements * ARRAY_TYPES[dtype as SafetensorsDType].BYTES_PER_ELEMENT;
  if (bytes !== end - begin) {
    fail(`its shape [${shape}] of ${dtype} takes ${bytes} bytes but its offsets hold ${end - begin}`);
  }
  return { name, dtype: dtype as SafetensorsDType, shape, offset: dataStart + begin, bytes: end - begin };
}

/** Data must be covered from first to last byte, each once: no room for anything hidden. */
function checkCoverage(
  what: string,
  tensors: readonly SafetensorsTensor[],
  dataStart: number,
  size: number,
): void {
  let reached = dataStart;
  for (const { name, offset, bytes } of tensors) {
    if (offset !== reached) {
      const problem = offset < reached ? "overlaps" : "leaves a gap after";
      failing(`tensor ${JSON.stringify(name)} of ${what}`)(
        `its data ${problem} the tensor before it, it begins at byte ${offset}, expected ${reached}`,
      );
    }
    reached += bytes;
  }
  if (reached !== size) {
    failing(what)(`its tensors end at byte ${reached} but the file has ${size} bytes`);
  }
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}
