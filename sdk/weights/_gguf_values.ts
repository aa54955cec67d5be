/**
 * Reads metadata values of a GGUF file.
 *
 * @module
 */
import { fail, type GgufCursor } from "./_gguf_cursor.ts";
import type { GgufArray, GgufItem, GgufValue, GgufValueType } from "./gguf_metadata.ts";

/** The types in the order of their numbers in a file. */
const VALUE_TYPES: readonly GgufValueType[] = [
  "u8",
  "i8",
  "u16",
  "i16",
  "u32",
  "i32",
  "f32",
  "bool",
  "string",
  "array",
  "u64",
  "i64",
  "f64",
];

/** Arrays within arrays. */
const MAX_DEPTH = 4;

const NUMBERS = {
  u8: Uint8Array,
  i8: Int8Array,
  u16: Uint16Array,
  i16: Int16Array,
  u32: Uint32Array,
  i32: Int32Array,
  f32: Float32Array,
  u64: BigUint64Array,
  i64: BigInt64Array,
  f64: Float64Array,
};

/** Bytes that an element takes at least: a text has a length, an array a type and a length. */
const MIN_BYTES = { bool: 1, string: 8, array: 12 };

/**
 * Reads the type of a value, then the value.
 *
 * @param cursor Where the type begins; stands after the value then.
 * @param what The value, for errors.
 * @returns The value.
 */
export function readValue(cursor: GgufCursor, what: string): GgufValue {
  const type = readType(cursor, what);
  return {
    type,
    value: type === "array" ? readArray(cursor, what, 1) : readItems(cursor, type, 1, what)[0]!,
  };
}

function readType(cursor: GgufCursor, what: string): GgufValueType {
  const id = cursor.u32(`the type of ${what}`);
  return VALUE_TYPES[id] ?? fail(`the type of ${what} is ${id}, expected 0 to ${VALUE_TYPES.length - 1}`);
}

function readArray(cursor: GgufCursor, what: string, depth: number): GgufArray {
  if (depth > MAX_DEPTH) fail(`${what} has arrays nested more than ${MAX_DEPTH} deep`);
  const of = readType(cursor, `the elements of ${what}`);
  const bytesEach = isNumeric(of) ? NUMBERS[of].BYTES_PER_ELEMENT : MIN_BYTES[of];
  const count = cursor.count(bytesEach, `the number of elements of ${what}`);
  if (of !== "array") return { of, items: readItems(cursor, of, count, what) };
  const items: GgufArray[] = [];
  for (let i = 0; i < count; i++) items.push(readArray(cursor, what, depth + 1));
  return { of, items };
}

function readItems(
  cursor: GgufCursor,
  type: Exclude<GgufValueType, "array">,
  count: number,
  what: string,
): ArrayLike<GgufItem> {
  if (isNumeric(type)) {
    const ArrayOf = NUMBERS[type];
    // A copy, which is aligned. (The slice() of Node's Buffer is none.)
    const bytes = new Uint8Array(cursor.take(count * ArrayOf.BYTES_PER_ELEMENT, what));
    return new ArrayOf(bytes.buffer);
  }
  if (type === "bool") return Array.from(cursor.take(count, what), (byte) => flagOf(byte, what));
  const texts: string[] = [];
  for (let i = 0; i < count; i++) texts.push(cursor.text(what));
  return texts;
}

function flagOf(byte: number, what: string): boolean {
  if (byte > 1) fail(`${what} is a boolean stored as ${byte}, expected 0 or 1`);
  return byte === 1;
}

function isNumeric(type: GgufValueType): type is keyof typeof NUMBERS {
  return Object.hasOwn(NUMBERS, type);
}
