/**
 * Functions of two tensors, element by element.
 *
 * @module
 */
import type { Device } from "../device.ts";
import { BINARY_CODE } from "../ops.ts";
import type { Tensor } from "../tensor.ts";
import { product, use } from "./_check.ts";

/** Functions that {@linkcode binary} knows. */
export type BinaryKind = keyof typeof BINARY_CODE;

/** Options of {@linkcode binary}. */
export interface BinaryOptions {
  /**
   * Which axes of `a` those of `b` are: its last ones (a row vector) or its first ones (one number per row).
   * @default the last ones where they fit, else the first ones
   */
  readonly axis?: "last" | "rows";
}

/**
 * Computes a function of a and b for every element of a; b is repeated along the axes that it lacks.
 *
 * @param d Receives the result.
 * @param kind The function: add, sub, mul, div, max, min, or a comparison, which gives 1 or 0: greater, greaterEqual, less, lessEqual, equal.
 * @param a Any shape.
 * @param b The shape of `a`, of its last axes, of its first axes, or a single number.
 * @returns A tensor of the shape of `a`.
 * @throws RangeError if shapes do not fit.
 */
export function binary(
  d: Device,
  kind: BinaryKind,
  a: Tensor,
  b: Tensor,
  options: BinaryOptions = {},
): Tensor {
  const ids = { a: use(d, "binary", "a", a), b: use(d, "binary", "b", b) };
  if (!Object.hasOwn(BINARY_CODE, kind)) {
    throw new TypeError(
      `Cannot run binary: "kind" is "${kind}", expected one of ${Object.keys(BINARY_CODE).join(", ")}`,
    );
  }
  const div = spread(a, b, options.axis);
  const out = d.empty(a.shape);
  if (a.size > 0) {
    d.submit({ op: "binary", ...ids, out: out.id, n: a.size, div, mod: b.size, kind: BINARY_CODE[kind] });
  }
  return out;
}

/** Adds b to a; see {@linkcode binary}. */
export function add(d: Device, a: Tensor, b: Tensor, options?: BinaryOptions): Tensor {
  return binary(d, "add", a, b, options);
}

/** Multiplies a by b; see {@linkcode binary}. */
export function mul(d: Device, a: Tensor, b: Tensor, options?: BinaryOptions): Tensor {
  return binary(d, "mul", a, b, options);
}

/** How many neighbours of `a` share one element of `b`. */
function spread(a: Tensor, b: Tensor, axis: "last" | "rows" | undefined): number {
  const lastOf = b.shape.slice(b.shape.findIndex((size) => size !== 1));
  const last = b.size === 1 ? [] : lastOf;
  if (
    axis !== "rows" && last.length <= a.shape.length &&
    last.every((size, i) => size === a.shape.at(i - last.length))
  ) return 1;
  const first = [...b.shape];
  while (first.at(-1) === 1) first.pop();
  if (axis !== "last" && first.length <= a.shape.length && first.every((size, i) => size === a.shape[i])) {
    return product(a.shape.slice(first.length));
  }
  const wanted = axis === undefined
    ? "the first or last axes"
    : axis === "last"
    ? "the last axes"
    : "the first axes";
  throw new RangeError(
    `Cannot run binary: "b" has shape [${b.shape}], expected ${wanted} of "a" [${a.shape}]`,
  );
}
