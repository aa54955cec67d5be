/**
 * Other element types.
 *
 * @module
 */
import type { Device } from "../device.ts";
import { type DType, DTYPE_CODE } from "../ops.ts";
import type { Tensor } from "../tensor.ts";
import { live } from "./_check.ts";

const KNOWN: readonly string[] = ["f32 f16", "f16 f32", "i8 f32", "u8 f32", "i32 f32", "f32 i32"];

/**
 * Converts every element, to the nearest (ties to even).
 *
 * @param d Receives the result.
 * @param x Any shape.
 * @param dtype f32 <-> f16, f32 <-> i32, and i8 or u8 -> f32.
 * @returns A tensor of that type.
 * @throws TypeError for another pair of types.
 */
export function cast(d: Device, x: Tensor, dtype: DType): Tensor {
  const id = live(d, "cast", "x", x);
  if (!KNOWN.includes(`${x.dtype} ${dtype}`)) {
    throw new TypeError(`Cannot run cast: from "${x.dtype}" to "${dtype}" is not supported`);
  }
  const out = d.empty(x.shape, dtype);
  if (x.size > 0) {
    d.submit({ op: "cast", x: id, out: out.id, n: x.size, from: DTYPE_CODE[x.dtype], to: DTYPE_CODE[dtype] });
  }
  return out;
}
