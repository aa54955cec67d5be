/**
 * Checks on what a weight is made of.
 *
 * @module
 */
import type { WeightData } from "./device.ts";
import type { WeightType } from "./ops.ts";
import { sizeOf } from "./shape.ts";

/** What follows from a weight's data and scales: its type, and how many consecutive inputs share a scale. */
export interface WeightForm {
  readonly dtype: WeightType;
  readonly group: number;
}

/** Refuses data and scales that do not make a weight of this shape. */
export function checkWeight(
  data: WeightData,
  shape: readonly [number, number],
  scales: Float32Array | undefined,
): WeightForm {
  const dtype = weightTypeOf(data);
  const size = sizeOf(shape);
  const [, k] = shape;
  const what = dtype === "i4" ? "an int4 weight" : dtype === "i8" ? "an int8 weight" : "a weight";
  if (shape.length !== 2 || k === 0) {
    throw new RangeError(`Cannot make a weight of shape [${shape}]: expected [n, k] with k of at least 1`);
  }
  if (dtype === "i4" && k % 2 !== 0) {
    throw new RangeError(`Cannot make ${what} of shape [${shape}]: k is ${k}, expected an even number`);
  }
  const length = dtype === "i4" ? size / 2 : size;
  if (data.length !== length) {
    const needed = dtype === "i4" ? `${length} bytes of two elements` : `${length} elements`;
    throw new RangeError(
      `Cannot make ${what} of shape [${shape}]: it has ${needed} but the data has ${data.length}`,
    );
  }
  if (dtype === "f32" || dtype === "f16") {
    if (scales === undefined) return { dtype, group: k };
    throw new TypeError(
      `Cannot make a weight of type "${dtype}" with "scales": only int8 and int4 weights have them`,
    );
  }
  return { dtype, group: groupOf(what, dtype, shape, scales) };
}

/** How many consecutive inputs share a scale. */
function groupOf(
  what: string,
  dtype: WeightType,
  [n, k]: readonly [number, number],
  scales: Float32Array | undefined,
): number {
  if (!(scales instanceof Float32Array)) {
    throw new TypeError(
      `Cannot make ${what} of shape [${n},${k}]: it needs "scales", a Float32Array of ${n} numbers or a multiple`,
    );
  }
  if (n === 0 && scales.length === 0) return k;
  const group = k / (scales.length / n);
  if (scales.length === 0 || scales.length % n !== 0 || !Number.isInteger(group)) {
    throw new RangeError(
      `Cannot make ${what} of shape [${n},${k}]: "scales" has ${scales.length} numbers, ` +
        `expected ${n} times a number that divides ${k}`,
    );
  }
  if (dtype === "i4" && group % 2 !== 0) {
    throw new RangeError(
      `Cannot make ${what} of shape [${n},${k}]: "scales" has ${scales.length} numbers, one for ${group} inputs, ` +
        `expected one for an even number of inputs`,
    );
  }
  return group;
}

function weightTypeOf(data: unknown): WeightType {
  if (data instanceof Float32Array) return "f32";
  if (data instanceof Uint16Array) return "f16";
  if (data instanceof Int8Array) return "i8";
  if (data instanceof Uint8Array) return "i4";
  throw new TypeError(
    "Cannot make a weight of this data: expected Float32Array, Uint16Array (float16 bits), Int8Array or Uint8Array (int4)",
  );
}
