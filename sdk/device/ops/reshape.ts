/**
 * Other shapes for the same elements.
 *
 * @module
 */
import type { Device } from "../device.ts";
import type { Tensor } from "../tensor.ts";
import { live, product } from "./_check.ts";

/**
 * Another shape for the same memory, without a copy.
 *
 * The result is a tensor like any other: it is disposed by hand or with the scope that it was made in. The memory is
 * shared, so a change in place shows in both, and it is freed when the last of them goes, in whichever order.
 *
 * @param d Receives the result.
 * @param x Any tensor.
 * @param shape A shape of the same size; one size may be -1 and is computed.
 * @returns A tensor of that shape.
 * @throws RangeError if the sizes differ.
 */
export function reshape(d: Device, x: Tensor, shape: readonly number[]): Tensor {
  live(d, "reshape", "x", x);
  const open = shape.indexOf(-1);
  if (open < 0) return d.view(x, shape);
  const rest = product(shape.filter((_, i) => i !== open));
  if (rest === 0 || x.size % rest !== 0) {
    throw new RangeError(`Cannot reshape [${x.shape}] to [${shape}]: no whole size fits in place of -1`);
  }
  return d.view(x, shape.with(open, x.size / rest));
}
