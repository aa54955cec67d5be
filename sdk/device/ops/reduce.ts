/**
 * Reduces rows.
 *
 * @module
 */
import type { Device } from "../device.ts";
import { REDUCE_CODE } from "../ops.ts";
import type { Tensor } from "../tensor.ts";
import { expectRank, use } from "./_check.ts";

/** Reductions that {@linkcode reduce} knows. */
export type ReduceKind = keyof typeof REDUCE_CODE;

/**
 * Reduces the last axis to one number.
 *
 * @param d Receives the result.
 * @param kind The reduction: sum, mean, max or min.
 * @param x [..., cols].
 * @returns [...].
 * @throws RangeError if rows have no columns.
 */
export function reduce(d: Device, kind: ReduceKind, x: Tensor): Tensor {
  const id = use(d, "reduce", "x", x);
  expectRank("reduce", "x", x, 1);
  if (!Object.hasOwn(REDUCE_CODE, kind)) {
    throw new TypeError(
      `Cannot run reduce: "kind" is "${kind}", expected one of ${Object.keys(REDUCE_CODE).join(", ")}`,
    );
  }
  const cols = x.shape.at(-1)!;
  const out = d.empty(x.shape.slice(0, -1));
  if (out.size > 0 && cols === 0) {
    throw new RangeError(`Cannot run reduce: "x" has shape [${x.shape}], expected rows of at least 1`);
  }
  if (out.size > 0) {
    d.submit({ op: "reduce", x: id, out: out.id, rows: out.size, cols, kind: REDUCE_CODE[kind] });
  }
  return out;
}
