/**
 * Joins tensors.
 *
 * @module
 */
import type { Device } from "../device.ts";
import { DTYPE_BYTES } from "../ops.ts";
import type { Tensor } from "../tensor.ts";
import { axisOf, live, product, use } from "./_check.ts";

/**
 * Joins tensors along one axis.
 *
 * @param d Receives the result.
 * @param tensors At least one; shapes equal except along the axis, types equal.
 * @param axis The axis; below 0 from the end.
 * @returns A tensor whose axis is as long as all together.
 * @throws RangeError if shapes do not fit.
 */
export function concat(d: Device, tensors: readonly Tensor[], axis: number): Tensor {
  const [first] = tensors;
  if (first === undefined) {
    throw new RangeError(`Cannot run concat: "tensors" is empty, expected at least one`);
  }
  live(d, "concat", "tensors[0]", first);
  const at = axisOf("concat", first, axis);
  tensors.forEach((x, i) => {
    use(d, "concat", `tensors[${i}]`, x, first.dtype);
    if (
      x.shape.length !== first.shape.length || x.shape.some((size, a) => a !== at && size !== first.shape[a])
    ) {
      throw new RangeError(
        `Cannot run concat: "tensors[${i}]" has shape [${x.shape}] but the first has [${first.shape}], expected a difference at axis ${at} only`,
      );
    }
  });
  const length = tensors.reduce((sum, x) => sum + x.shape[at]!, 0);
  const out = d.empty(first.shape.with(at, length), first.dtype);
  const inner = product(first.shape.slice(at + 1));
  const outer = product(first.shape.slice(0, at));
  let begin = 0;
  for (const x of tensors) {
    const width = x.shape[at]! * inner;
    if (x.size > 0) {
      d.submit({
        op: "copy",
        x: x.id,
        out: out.id,
        size: DTYPE_BYTES[x.dtype],
        n0: 1,
        n1: 1,
        n2: outer,
        n3: width,
        xOffset: 0,
        x0: 0,
        x1: 0,
        x2: width,
        x3: 1,
        outOffset: begin,
        out0: 0,
        out1: 0,
        out2: length * inner,
        out3: 1,
      });
    }
    begin += width;
  }
  return out;
}
