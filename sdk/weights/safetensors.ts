/**
 * Reads and writes safetensors files: an 8-byte length, a JSON header, then the elements of all tensors without gaps.
 *
 * A file is not trusted: everything in the header is checked against the size of the file before anything is allocated.
 * Format: https://github.com/huggingface/safetensors (README, "Format").
 *
 * @module
 */
import { WeightsError } from "../device/errors.ts";
import { checkJson } from "./_check_json.ts";
import { ARRAY_TYPES, type SafetensorsDType, type SafetensorsEntry } from "./dtypes.ts";

export { type SafetensorsArrays, type SafetensorsDType, type SafetensorsEntry, toFloat32 } from "./dtypes.ts";

/** The contents of a file. */
export interface SafetensorsFile {
  /** Tensors by name, in the order of their data. */
  readonly tensors: Map<string, SafetensorsEntry>;
  /** What the file says of itself. */
  readonly metadata: Record<string, string>;
}

/** Largest header that the format allows, in bytes. */
const MAX_HEADER = 100_000_000;
/** Header, tensor, shape: deeper nesting has no meaning. */
const MAX_DEPTH = 3;
const METADATA = "__metadata__";

/** Where a tensor lies, as the header says, checked. */
interface Place {
  readonly name: string;
  readonly dtype: SafetensorsDType;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/**
 * Reads a file.
 *
 * @param bytes The whole file.
 * @returns Tensors and metadata. Arrays are views of `bytes` where the alignment allows it, else copies.
 * @example
 * ```ts
 * import { readSafetensors, toFloat32, writeSafetensors } from "./safetensors.ts";
 *
 * const bytes = writeSafetensors(new Map([["w", { dtype: "I8", shape: [2], data: Int8Array.of(-1, 1) }]]));
 * console.log(toFloat32(readSafetensors(bytes).tensors.get("w")!)); // -1, 1
 * ```
 * @throws WeightsError if the file is not a well-formed safetensors file.
 */
export function readSafetensors(bytes: Uint8Array): SafetensorsFile {
  const { header, dataOffset } = readHeader(bytes);
  const places: Place[] = [];
  let metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(header)) {
    if (name === METADATA) metadata = checkMetadata(value);
    else places.push(checkPlace(name, value, bytes.length - dataOffset));
  }
  places.sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkCoverage(places, bytes.length - dataOffset);
  return {
    tensors: new Map(places.map((place) => [place.name, readEntry(bytes, dataOffset, place)])),
    metadata,
  };
}

function readHeader(bytes: Uint8Array): { header: Record<string, unknown>; dataOffset: number } {
  const fail = (reason: string, cause?: unknown): never => {
    throw new WeightsError(
      `Cannot read the safetensors file: ${reason}`,
      cause === undefined ? {} : { cause },
    );
  };
  if (bytes.length < 8) {
    fail(`it has ${bytes.length} bytes, expected at least 8 for the length of the header`);
  }
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  if (length > MAX_HEADER) fail(`its header has ${length} bytes, expected at most ${MAX_HEADER}`);
  if (length < 2) fail(`its header has ${length} bytes, expected at least 2`);
  const dataOffset = 8 + Number(length);
  if (dataOffset > bytes.length) {
    fail(`its header ends at byte ${dataOffset} but the file has ${bytes.length} bytes`);
  }

  let text = "";
  let header: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes.subarray(8, dataOffset));
  } catch (cause) {
    fail("its header is not UTF-8", cause);
  }
  if (!text.startsWith("{")) fail("its header is not a JSON object: it does not begin with a brace");
  const wrong = checkJson(text, MAX_DEPTH);
  if (wrong !== undefined) fail(`in its header, ${wrong}`);
  try {
    header = JSON.parse(text);
  } catch (cause) {
    fail("its header is not JSON", cause);
  }
  return { header: header as Record<string, unknown>, dataOffset };
}

function checkMetadata(value: unknown): Record<string, string> {
  if (!isRecord(value) || Object.values(value).some((item) => typeof item !== "string")) {
    throw new WeightsError(`Cannot read the safetensors file: "${METADATA}" is not an object of strings`);
  }
  return value as Record<string, string>;
}

function checkPlace(name: string, value: unknown, dataLength: number): Place {
  const fail = (reason: string): never => {
    throw new WeightsError(`Cannot read tensor ${JSON.stringify(name)}: ${reason}`);
  };
  if (!isRecord(value)) return fail("its entry is not an object");
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== "string" || !Object.hasOwn(ARRAY_TYPES, dtype)) {
    return fail(
      `its type is ${JSON.stringify(dtype)}, expected one of ${Object.keys(ARRAY_TYPES).join(", ")}`,
    );
  }
  if (!isSizes(shape)) {
    return fail(`its shape is ${JSON.stringify(shape)}, expected a list of whole numbers from 0`);
  }
  if (!isSizes(offsets) || offsets.length !== 2) {
    return fail(`its offsets are ${JSON.stringify(offsets)}, expected two whole numbers from 0`);
  }
  const [begin, end] = offsets as [number, number];
  if (begin > end) fail(`its data begins at byte ${begin} but ends at byte ${end}`);
  if (end > dataLength) fail(`its data ends at byte ${end} but the file has ${dataLength} bytes of data`);
  let elements = 1;
  for (const size of shape) {
    elements *= size;
    if (elements > Number.MAX_SAFE_INTEGER) fail(`its shape [${shape}] has more than 2^53 elements`);
  }
  const bytes = elements * ARRAY_TYPES[dtype as SafetensorsDType].BYTES_PER_ELEMENT;
  if (bytes !== end - begin) {
    fail(`its shape [${shape}] of ${dtype} takes ${bytes} bytes but its offsets hold ${end - begin}`);
  }
  return { name, dtype: dtype as SafetensorsDType, shape, begin, end };
}

/** Data must be covered from first to last byte, each once: no room for anything hidden. */
function checkCoverage(places: readonly Place[], dataLength: number): void {
  let reached = 0;
  for (const { name, begin, end } of places) {
    if (begin !== reached) {
      const problem = begin < reached
        ? "overlaps the tensor before it"
        : "leaves a gap after the tensor before it";
      throw new WeightsError(
        `Cannot read tensor ${
          JSON.stringify(name)
        }: its data ${problem}, it begins at byte ${begin}, expected ${reached}`,
      );
    }
    reached = end;
  }
  if (reached !== dataLength) {
    throw new WeightsError(
      `Cannot read the safetensors file: its tensors end at byte ${reached} but it has ${dataLength} bytes of data`,
    );
  }
}

function readEntry(bytes: Uint8Array, dataOffset: number, place: Place): SafetensorsEntry {
  const { dtype, shape } = place;
  const ArrayOf = ARRAY_TYPES[dtype];
  const start = bytes.byteOffset + dataOffset + place.begin;
  const length = (place.end - place.begin) / ArrayOf.BYTES_PER_ELEMENT;
  const data = start % ArrayOf.BYTES_PER_ELEMENT === 0
    ? new ArrayOf(bytes.buffer, start, length)
    : new ArrayOf(bytes.slice(dataOffset + place.begin, dataOffset + place.end).buffer, 0, length);
  return { dtype, shape, data } as SafetensorsEntry;
}

/**
 * Writes a file, the same bytes for the same contents.
 *
 * Tensors are ordered by the width of their elements, then by name, so that every one is aligned.
 *
 * @param tensors Tensors by name.
 * @param metadata Strings to store beside them.
 * @returns The whole file.
 * @throws WeightsError if a shape or an array does not fit its type, or a name is reserved.
 */
export function writeSafetensors(
  tensors: ReadonlyMap<string, SafetensorsEntry>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const width = (entry: SafetensorsEntry): number => ARRAY_TYPES[entry.dtype].BYTES_PER_ELEMENT;
  for (const [name, entry] of tensors) checkEntry(name, entry);
  const sorted = [...tensors].sort(([a, x], [b, y]) => width(y) - width(x) || (a < b ? -1 : 1));

  const header: [string, unknown][] = [];
  if (Object.keys(metadata).length > 0) header.push([METADATA, checkMetadata(metadata)]);
  let end = 0;
  for (const [name, { dtype, shape, data }] of sorted) {
    header.push([name, { dtype, shape, data_offsets: [end, end += data.byteLength] }]);
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const length = Math.ceil(json.length / 8) * 8;
  if (length > MAX_HEADER) {
    throw new WeightsError(
      `Cannot write the safetensors file: its header has ${length} bytes, expected at most ${MAX_HEADER}`,
    );
  }

  const bytes = new Uint8Array(8 + length + end);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.fill(0x20, 8, 8 + length);
  bytes.set(json, 8);
  let at = 8 + length;
  for (const [, { data }] of sorted) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return bytes;
}

function checkEntry(name: string, { dtype, shape, data }: SafetensorsEntry): void {
  const fail = (reason: string): never => {
    throw new WeightsError(`Cannot write tensor ${JSON.stringify(name)}: ${reason}`);
  };
  if (name === METADATA) fail("the name is reserved");
  if (!Object.hasOwn(ARRAY_TYPES, dtype)) {
    fail(`its type is "${dtype}", expected one of ${Object.keys(ARRAY_TYPES).join(", ")}`);
  }
  if (!(data instanceof (ARRAY_TYPES[dtype] as unknown as new () => object))) {
    fail(`its data is not the array of ${dtype}`);
  }
  const elements = isSizes(shape) ? shape.reduce((product, size) => product * size, 1) : NaN;
  if (elements !== data.length) fail(`its shape is [${shape}] but its data has ${data.length} elements`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}
