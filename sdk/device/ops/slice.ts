/**
 * Parts of tensors.
 *
 * @module
 */
import type { Device } from "../device.ts";
import { DTYPE_BYTES } from "../ops.ts";
import type { Tensor } from "../tensor.ts";
import { axisOf, expectInt, live, product } from "./_check.ts";

/**
 * Copies the part from `start` to `end` of one axis.
 *
 * @param d Receives the result.
 * @param x Any shape and type.
 * @param axis The axis; below 0 from the end.
 * @param start First index.
 * @param end Index after the last. @default the size of the axis
 * @returns A tensor whose axis has end - start entries.
 * @throws RangeError if the part is not inside the axis.
 */
export function slice(d: Device, x: Tensor, axis: number, start: number, end?: number): Tensor {
  const id = live(d, "slice", "x", x);
  const at = axisOf("slice", x, axis);
  const size = x.shape[at]!;
  const stop = end ?? size;
  expectInt("slice", "end", stop, 0, size);
  expectInt("slice", "start", start, 0, stop);
  const out = d.empty(x.shape.with(at, stop - start), x.dtype);
  if (out.size === 0) return out;
  const inner = product(x.shape.slice(at + 1));
  const width = (stop - start) * inner;
  d.submit({
    op: "copy",
    x: id,
    out: out.id,
    size: DTYPE_BYTES[x.dtype],
    n0: 1,
    n1: 1,
    n2: product(x.shape.slice(0, at)),
    n3: width,
    xOffset: start * inner,
    x0: 0,
    x1: 0,
    x2: size * inner,
    x3: 1,
    outOffset: 0,
    out0: 0,
    out1: 0,
    out2: width,
    out3: 1,
  });
  return out;
}
