/**
 * Prefix sums.
 *
 * @module
 */
import type { Device } from "../device.ts";
import { DTYPE_CODE } from "../ops.ts";
import type { Tensor } from "../tensor.ts";
import { expectRank, use } from "./_check.ts";

/** Options of {@linkcode scan}. */
export interface ScanOptions {
  /** Whether a sum leaves out its own element, so that every row begins with 0. @default false */
  readonly exclusive?: boolean;
}

/**
 * Sums every row up to each of its elements.
 *
 * @param d Receives the result.
 * @param x f32 or i32 [..., cols]; integers wrap.
 * @returns A tensor of the shape and type of `x`.
 * @example
 * ```ts
 * import { openDevice, scan } from "../mod.ts";
 *
 * const device = await openDevice();
 * const x = device.tensor(Int32Array.of(3, 1, 4), [3]);
 * console.log(await scan(device, x).read("i32")); // 3, 4, 8
 * device.dispose();
 * ```
 */
export function scan(d: Device, x: Tensor, options: ScanOptions = {}): Tensor {
  const { exclusive = false } = options;
  const id = use(d, "scan", "x", x, x.dtype === "i32" ? "i32" : "f32");
  expectRank("scan", "x", x, 1);
  const out = d.empty(x.shape, x.dtype);
  const cols = x.shape.at(-1)!;
  if (x.size > 0) {
    d.submit({
      op: "scan",
      x: id,
      out: out.id,
      rows: x.size / cols,
      cols,
      exclusive: exclusive ? 1 : 0,
      dtype: DTYPE_CODE[x.dtype],
    });
  }
  return out;
}
