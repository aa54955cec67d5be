/**
 * Functions of one tensor, element by element.
 *
 * @module
 */
import type { Device } from "../device.ts";
import { UNARY_CODE } from "../ops.ts";
import type { Tensor } from "../tensor.ts";
import { use } from "./_check.ts";

/** Functions that {@linkcode unary} knows; `gelu` is the exact one with the error function. */
export type UnaryKind = keyof typeof UNARY_CODE;

/**
 * Applies a function to every element.
 *
 * @param d Receives the result.
 * @param kind The function.
 * @param x Any shape.
 * @returns A tensor of the shape of `x`.
 */
export function unary(d: Device, kind: UnaryKind, x: Tensor): Tensor {
  const id = use(d, "unary", "x", x);
  if (!Object.hasOwn(UNARY_CODE, kind)) {
    throw new TypeError(
      `Cannot run unary: "kind" is "${kind}", expected one of ${Object.keys(UNARY_CODE).join(", ")}`,
    );
  }
  const out = d.empty(x.shape);
  if (x.size > 0) d.submit({ op: "unary", x: id, out: out.id, n: x.size, kind: UNARY_CODE[kind] });
  return out;
}
