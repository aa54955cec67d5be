/**
 * Reads the header of a GGUF file: metadata, then names, shapes and places of tensors.
 *
 * @module
 */
import { fail, GgufCursor, MoreBytes } from "./_gguf_cursor.ts";
import { readValue } from "./_gguf_values.ts";
import type { GgufTensor } from "./gguf.ts";
import { GgufMetadata, type GgufValue } from "./gguf_metadata.ts";
import { GGUF_TYPES, type GgufType, ggufTypeOf } from "./gguf_types.ts";
import { type ByteSource, readExactly } from "./source.ts";

/** What the header says, checked. */
export interface GgufHeader {
  readonly version: number;
  readonly metadata: GgufMetadata;
  readonly tensors: ReadonlyMap<string, GgufTensor>;
}

/** Bytes that are read first. */
const FIRST_READ = 2 ** 20;
/** A key's length, a type and a value of one byte. */
const MIN_ENTRY = 8 + 4 + 1;
/** A name's length, the number of axes, one axis, type and offset. */
const MIN_TENSOR = 8 + 4 + 8 + 4 + 8;
const MAX_AXES = 4;
/** Longest key by the specification, in bytes; names of tensors are far shorter. */
const MAX_NAME = 65535;
const DEFAULT_ALIGNMENT = 32;

/** A tensor whose place is counted from the begin of the data. */
interface Info {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: GgufType;
  readonly bytes: bigint;
  readonly offset: bigint;
}

/**
 * Reads the header.
 *
 * The length of a header is not written anywhere, so a first part is parsed, and a longer one if the header goes on.
 *
 * @param source The file.
 * @returns What the header says.
 * @throws WeightsError if it is not a well-formed GGUF file.
 */
export async function readHeader(source: ByteSource): Promise<GgufHeader> {
  let length = Math.min(FIRST_READ, source.size);
  while (true) {
    const bytes = await readExactly(source, 0, length);
    try {
      return parse(new GgufCursor(bytes, source.size), source.size);
    } catch (error) {
      if (!(error instanceof MoreBytes)) throw error;
      length = Math.min(Math.max(4 * length, error.end), source.size);
    }
  }
}

function parse(cursor: GgufCursor, size: number): GgufHeader {
  const version = checkStart(cursor);
  const tensorCount = cursor.count(MIN_TENSOR, "the number of tensors");
  const entryCount = cursor.count(MIN_ENTRY, "the number of metadata entries");

  const values = new Map<string, GgufValue>();
  for (let i = 0; i < entryCount; i++) {
    const key = cursor.text(`the key of metadata entry ${i}`, MAX_NAME);
    if (values.has(key)) fail(`metadata ${JSON.stringify(key)} comes twice`);
    values.set(key, readValue(cursor, `metadata ${JSON.stringify(key)}`));
  }
  const alignment = alignmentOf(values.get("general.alignment"));

  const infos = new Map<string, Info>();
  for (let i = 0; i < tensorCount; i++) {
    const info = readInfo(cursor, i, alignment);
    if (infos.has(info.name)) fail(`tensor ${JSON.stringify(info.name)} comes twice`);
    infos.set(info.name, info);
  }
  const dataStart = BigInt(Math.ceil(cursor.at / alignment) * alignment);
  const tensors = [...infos.values()].map((info) => placed(info, dataStart, size));
  checkOverlap(tensors);
  return {
    version,
    metadata: new GgufMetadata(values),
    tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])),
  };
}

function checkStart(cursor: GgufCursor): number {
  const magic = cursor.take(4, "the magic number");
  if (String.fromCharCode(...magic) !== "GGUF") {
    const hex = Array.from(magic, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
    fail(`it begins with the bytes ${hex}, expected 47 47 55 46 ("GGUF")`);
  }
  const version = cursor.u32("the version");
  if (version === 0x0200_0000 || version === 0x0300_0000) {
    fail("it is big-endian, expected little-endian; convert it first");
  }
  if (version !== 2 && version !== 3) fail(`its version is ${version}, expected 2 or 3`);
  return version;
}

function alignmentOf(entry: GgufValue | undefined): number {
  if (entry === undefined) return DEFAULT_ALIGNMENT;
  if (entry.type !== "u32") fail(`metadata "general.alignment" is of type ${entry.type}, expected u32`);
  const alignment = entry.value as number;
  if (alignment === 0 || alignment % 8 !== 0) {
    fail(`metadata "general.alignment" is ${alignment}, expected a multiple of 8`);
  }
  return alignment;
}

function readInfo(cursor: GgufCursor, index: number, alignment: number): Info {
  const name = cursor.text(`the name of tensor ${index}`, MAX_NAME);
  const what = `tensor ${JSON.stringify(name)}`;
  const axes = cursor.u32(`the number of axes of ${what}`);
  if (axes < 1 || axes > MAX_AXES) fail(`${what} has ${axes} axes, expected 1 to ${MAX_AXES}`);
  const sizes: bigint[] = [];
  for (let i = 0; i < axes; i++) {
    const size = cursor.u64(`the shape of ${what}`);
    if (size < 1n || size > Number.MAX_SAFE_INTEGER) {
      fail(`${what} has an axis of size ${size}, expected 1 to 2^53 - 1`);
    }
    // The file names the innermost axis first.
    sizes.unshift(size);
  }
  const id = cursor.u32(`the type of ${what}`);
  const dtype = ggufTypeOf(id) ?? fail(`the type of ${what} is ${id}, expected one of ${typeNames()}`);
  const block = GGUF_TYPES[dtype];
  const cols = sizes.at(-1)!;
  if (cols % BigInt(block.elements) !== 0n) {
    fail(`${what} has rows of ${cols} elements, expected a multiple of ${block.elements} for ${dtype}`);
  }
  const elements = sizes.reduce((product, size) => product * size, 1n);
  const offset = cursor.u64(`the offset of ${what}`);
  if (offset % BigInt(alignment) !== 0n) {
    fail(`the data of ${what} begins at offset ${offset}, expected a multiple of the alignment ${alignment}`);
  }
  return {
    name,
    shape: sizes.map(Number),
    dtype,
    bytes: elements / BigInt(block.elements) * BigInt(block.bytes),
    offset,
  };
}

function typeNames(): string {
  return Object.entries(GGUF_TYPES).map(([type, { id }]) => `${id} (${type})`).join(", ");
}

function placed({ offset, bytes, ...info }: Info, dataStart: bigint, size: number): GgufTensor {
  const begin = dataStart + offset;
  if (begin + bytes > size) {
    fail(
      `the data of tensor ${JSON.stringify(info.name)} ends at byte ${begin + bytes} ` +
        `but the file has ${size} bytes`,
    );
  }
  return { ...info, offset: Number(begin), bytes: Number(bytes) };
}

function checkOverlap(tensors: readonly GgufTensor[]): void {
  const sorted = tensors.toSorted((a, b) => a.offset - b.offset);
  for (let i = 1; i < sorted.length; i++) {
    const [before, after] = [sorted[i - 1]!, sorted[i]!];
    const end = before.offset + before.bytes;
    if (end > after.offset) {
      fail(
        `tensors ${JSON.stringify(before.name)} and ${JSON.stringify(after.name)} overlap: ` +
          `one ends at byte ${end}, the other begins at byte ${after.offset}`,
      );
    }
  }
}
