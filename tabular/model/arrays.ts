/**
 * Arrays on the host that go into and come out of the bare model.
 *
 * @module
 */

/** A dense row-major array of numbers with its shape. */
export interface NdArray {
  /** The numbers, row-major. */
  readonly data: Float32Array;
  /** Size of every axis. */
  readonly shape: readonly number[];
}

/** Numbers of the given rank: an {@linkcode NdArray} or nested arrays. */
export type ArrayInput = NdArray | NestedNumbers;

/** Nested arrays of numbers. */
export type NestedNumbers = readonly (number | NestedNumbers)[];

/**
 * Reads an array of a known rank.
 *
 * @param name What it is, for the error.
 * @throws RangeError if the rank is another or nested rows differ in length.
 */
export function toNdArray(name: string, input: ArrayInput, rank: number): NdArray {
  if (!Array.isArray(input)) {
    const { data, shape } = input as NdArray;
    const size = shape.reduce((all, n) => all * n, 1);
    if (shape.length !== rank || data.length !== size) {
      throw new RangeError(
        `Cannot use "${name}": expected ${rank} axes, got shape [${shape}] with ${data.length} numbers`,
      );
    }
    return { data: Float32Array.from(data), shape };
  }
  const shape: number[] = [];
  for (let level: unknown = input; Array.isArray(level); level = level[0]) shape.push(level.length);
  const flat = (input as unknown[]).flat(rank - 1);
  if (
    shape.length !== rank || flat.length !== shape.reduce((all, n) => all * n, 1) ||
    flat.some((value) => typeof value !== "number")
  ) {
    throw new RangeError(
      `Cannot use "${name}": expected ${rank} levels of arrays of equal length with numbers`,
    );
  }
  return { data: Float32Array.from(flat as number[]), shape };
}
