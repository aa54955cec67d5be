/**
 * What a replay of a golden file reports, and how numbers are compared.
 *
 * @module
 */
import { type SafetensorsFile, toFloat32 } from "../weights/safetensors.ts";

/** One comparison of a replay. */
export interface Check {
  readonly name: string;
  /** Largest absolute difference; infinite where sizes differ or a number is not finite. */
  readonly maxError: number;
  readonly tolerance: number;
  readonly ok: boolean;
  /** Whether choices (which must be equal), intermediate scores or results were compared. @default "output" */
  readonly kind?: "selection" | "score" | "output";
}

/** Compares element by element; a tolerance of 0 asks for equality. */
export function compare(
  name: string,
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
): Check {
  let maxError = actual.length === expected.length ? 0 : Infinity;
  for (let i = 0; i < expected.length && maxError < Infinity; i++) {
    const error = Math.abs(actual[i]! - expected[i]!);
    maxError = Math.max(maxError, Number.isNaN(error) ? Infinity : error);
  }
  return { name, maxError, tolerance, ok: maxError <= tolerance };
}

/** A tensor of the file as float32. */
export function floats(file: SafetensorsFile, name: string): Float32Array {
  const entry = file.tensors.get(name);
  if (entry === undefined) throw new RangeError(`Cannot replay the golden file: it has no tensor "${name}"`);
  return toFloat32(entry);
}

/** A tensor of the file as integers, exact to all 32 bits. */
export function integers(file: SafetensorsFile, name: string): Int32Array {
  const data = file.tensors.get(name)?.data;
  return data instanceof Int32Array ? data : Int32Array.from(floats(file, name));
}

/** The shape of a tensor of the file. */
export function shapeOf(file: SafetensorsFile, name: string): readonly number[] {
  const entry = file.tensors.get(name);
  if (entry === undefined) throw new RangeError(`Cannot replay the golden file: it has no tensor "${name}"`);
  return entry.shape;
}

/** Compares choices: equal or wrong. */
export function compareSelections(
  name: string,
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
): Check {
  return { ...compare(name, actual, expected, 0), kind: "selection" };
}

/** Compares scores within a tolerance relative to the largest magnitude that is expected. */
export function compareScores(
  name: string,
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  relative = 1e-5,
): Check {
  const largest = Array.from(expected).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return { ...compare(name, actual, expected, relative * largest), kind: "score" };
}
