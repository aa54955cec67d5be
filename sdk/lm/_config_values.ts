/**
 * Values of a model's configuration, checked one by one.
 *
 * @module
 */
import { isRecord } from "../weights/_safetensors_header.ts";
import type { JsonObject } from "./read_json.ts";

/**
 * Reads a whole number.
 *
 * @param values Where from; null counts as missing.
 * @param key The key.
 * @param fallback What a missing one is; without, it must be there.
 * @param least The smallest that is fine. Default: 1.
 * @throws TypeError if it is no number, RangeError if it is not whole or too small.
 */
export function whole(values: JsonObject, key: string, fallback?: number, least = 1): number {
  const value = numberOf(values, key, fallback, `a whole number from ${least}`);
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw wrong(RangeError, key, value, `a whole number from ${least}`);
}

/** Reads a finite number above 0; see {@linkcode whole}. */
export function positive(values: JsonObject, key: string, fallback?: number): number {
  const value = numberOf(values, key, fallback, "a number above 0");
  if (Number.isFinite(value) && value > 0) return value;
  throw wrong(RangeError, key, value, "a number above 0");
}

/** Reads true or false; a missing one is false unless said. */
export function flag(values: JsonObject, key: string, fallback = false): boolean {
  const value = values[key] ?? fallback;
  if (typeof value === "boolean") return value;
  throw wrong(TypeError, key, value, "true or false");
}

/** Reads one of some texts. */
export function choice<T extends string>(
  values: JsonObject,
  key: string,
  known: readonly T[],
  fallback?: T,
): T {
  const value = values[key] ?? fallback;
  const expected = known.map((text) => JSON.stringify(text)).join(", ").replace(/, ([^,]*)$/, " or $1");
  if (typeof value !== "string") throw wrong(TypeError, key, value, expected);
  if (known.includes(value as T)) return value as T;
  throw wrong(RangeError, key, value, expected);
}

/** Reads an object; nothing if it is missing. */
export function group(values: JsonObject, key: string): JsonObject | undefined {
  const value = values[key] ?? undefined;
  if (value === undefined || isRecord(value)) return value;
  throw wrong(TypeError, key, value, "an object");
}

/** The error for a value. */
export function wrong(
  Kind: new (message: string) => Error,
  key: string,
  value: unknown,
  expected: string,
): Error {
  const got = value === undefined ? "missing" : JSON.stringify(value) ?? String(value);
  return new Kind(`Cannot use the model's configuration: "${key}" is ${got}, expected ${expected}`);
}

function numberOf(values: JsonObject, key: string, fallback: number | undefined, expected: string): number {
  const value = values[key] ?? fallback;
  if (typeof value === "number") return value;
  throw wrong(TypeError, key, value, expected);
}
