/**
 * What a replay of a golden file reports, and how numbers are compared.
 *
 * @module
 */
import { type SafetensorsFile, toFloat32 } from "../../sdk/weights/safetensors.ts";

/** One comparison of a replay. */
export interface Check {
  readonly name: string;
  /** Largest absolute difference; infinite where sizes differ or a number is not finite. */
  readonly maxError: number;
  readonly tolerance: number;
  readonly ok: boolean;
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

/** The shape of a tensor of the file. */
export function shapeOf(file: SafetensorsFile, name: string): readonly number[] {
  const entry = file.tensors.get(name);
  if (entry === undefined) throw new RangeError(`Cannot replay the golden file: it has no tensor "${name}"`);
  return entry.shape;
}
