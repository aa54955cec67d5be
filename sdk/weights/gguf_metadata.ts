/**
 * What a GGUF file says of its model: hyper-parameters, vocabulary, chat template.
 *
 * Keys: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md ("Standardized key-value pairs").
 *
 * @module
 */
import { WeightsError } from "../device/errors.ts";

/** Types of values. */
export type GgufValueType =
  | "u8"
  | "i8"
  | "u16"
  | "i16"
  | "u32"
  | "i32"
  | "f32"
  | "bool"
  | "string"
  | "array"
  | "u64"
  | "i64"
  | "f64";

/** One value; 64-bit integers are bigints. */
export type GgufItem = number | bigint | boolean | string | GgufArray;

/** An array of values of one type. */
export interface GgufArray {
  /** Type of the elements. */
  readonly of: GgufValueType;
  /** The elements: a typed array for numbers, else a list. */
  readonly items: ArrayLike<GgufItem>;
}

/** A value and its type in the file. */
export interface GgufValue {
  /** Its type. */
  readonly type: GgufValueType;
  /** The value. */
  readonly value: GgufItem;
}

/**
 * Values by key. The accessors give nothing for a key that is not there, and a WeightsError for a value of another kind.
 *
 * @example
 * ```ts
 * import { readFile } from "node:fs/promises";
 * import { openGguf } from "./gguf.ts";
 *
 * const { metadata } = await openGguf(await readFile("model.gguf"));
 * const architecture = metadata.text("general.architecture"); // "llama"
 * const layers = metadata.number(`${architecture}.block_count`);
 * const tokens = metadata.texts("tokenizer.ggml.tokens");
 * ```
 */
export class GgufMetadata {
  readonly #values: ReadonlyMap<string, GgufValue>;

  /**
   * Wraps values.
   *
   * @param values Values by key.
   */
  constructor(values: ReadonlyMap<string, GgufValue>) {
    this.#values = values;
  }

  /** All keys, in the order of the file. */
  get keys(): readonly string[] {
    return [...this.#values.keys()];
  }

  /**
   * The value as it is stored.
   *
   * @param key The key.
   * @returns Value and type.
   */
  get(key: string): GgufValue | undefined {
    return this.#values.get(key);
  }

  /**
   * A number of any type.
   *
   * @param key The key.
   * @returns The number.
   * @throws WeightsError if it is no number, or an integer beyond 2^53.
   */
  number(key: string): number | undefined {
    const value = this.#values.get(key);
    return value && toNumber(key, value.type, value.value);
  }

  /**
   * A text.
   *
   * @param key The key.
   * @returns The text.
   * @throws WeightsError if it is no text.
   */
  text(key: string): string | undefined {
    const value = this.#values.get(key);
    if (value === undefined || typeof value.value === "string") return value?.value as string | undefined;
    throw wrong(key, value.type, "a string");
  }

  /**
   * A boolean.
   *
   * @param key The key.
   * @returns True or false.
   * @throws WeightsError if it is no boolean.
   */
  flag(key: string): boolean | undefined {
    const value = this.#values.get(key);
    if (value === undefined || typeof value.value === "boolean") return value?.value as boolean | undefined;
    throw wrong(key, value.type, "a boolean");
  }

  /**
   * An array of numbers of any type (token scores, token types).
   *
   * @param key The key.
   * @returns The numbers.
   * @throws WeightsError if it is no array of numbers, or has an integer beyond 2^53.
   */
  numbers(key: string): Float64Array<ArrayBuffer> | undefined {
    const array = this.#array(key, "an array of numbers");
    return array && Float64Array.from(array.items, (item) => toNumber(key, `array of ${array.of}`, item));
  }

  /**
   * An array of texts (tokens, merges).
   *
   * @param key The key.
   * @returns The texts.
   * @throws WeightsError if it is no array of strings.
   */
  texts(key: string): readonly string[] | undefined {
    const array = this.#array(key, "an array of strings");
    if (array === undefined || array.of === "string") return array?.items as readonly string[] | undefined;
    throw wrong(key, `array of ${array.of}`, "an array of strings");
  }

  #array(key: string, expected: string): GgufArray | undefined {
    const value = this.#values.get(key);
    if (value === undefined || typeof value.value === "object") return value?.value as GgufArray | undefined;
    throw wrong(key, value.type, expected);
  }
}

function toNumber(key: string, type: string, item: GgufItem): number {
  if (typeof item === "number") return item;
  if (typeof item !== "bigint") throw wrong(key, type, "a number");
  const value = Number(item);
  if (Number.isSafeInteger(value)) return value;
  throw new WeightsError(
    `Cannot use metadata "${key}": it is ${item}, expected an integer below 2^53 in magnitude`,
  );
}

function wrong(key: string, type: string, expected: string): WeightsError {
  return new WeightsError(`Cannot use metadata "${key}": it is of type ${type}, expected ${expected}`);
}
