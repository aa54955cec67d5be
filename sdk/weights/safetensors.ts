/**
 * Reads and writes safetensors files: an 8-byte length, a JSON header, then the elements of all tensors without gaps.
 *
 * A file is not trusted: everything in the header is checked against the size of the file before anything is allocated.
 * Format: https://github.com/huggingface/safetensors (README, "Format").
 *
 * @module
 */
import { WeightsError } from "../device/errors.ts";
import {
  entryOf,
  headerEnd,
  isRecord,
  MAX_HEADER,
  METADATA,
  parseHeader,
  type SafetensorsTensor,
} from "./_safetensors_header.ts";
import { ARRAY_TYPES, type SafetensorsEntry } from "./dtypes.ts";

export { type SafetensorsArrays, type SafetensorsDType, type SafetensorsEntry, toFloat32 } from "./dtypes.ts";

/** The contents of a file. */
export interface SafetensorsFile {
  /** Tensors by name, in the order of their data. */
  readonly tensors: Map<string, SafetensorsEntry>;
  /** What the file says of itself. */
  readonly metadata: Record<string, string>;
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
  const what = "the safetensors file";
  const dataStart = headerEnd(bytes.subarray(0, 8), bytes.length, what);
  const { tensors, metadata } = parseHeader(bytes.subarray(8, dataStart), bytes.length, what);
  const entry = (tensor: SafetensorsTensor): SafetensorsEntry =>
    entryOf(tensor, bytes.subarray(tensor.offset, tensor.offset + tensor.bytes));
  return { tensors: new Map(tensors.map((tensor) => [tensor.name, entry(tensor)])), metadata };
}

function checkMetadata(value: unknown): Record<string, string> {
  if (!isRecord(value) || Object.values(value).some((item) => typeof item !== "string")) {
    throw new WeightsError(`Cannot read the safetensors file: "${METADATA}" is not an object of strings`);
  }
  return value as Record<string, string>;
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

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}
