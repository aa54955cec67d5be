/**
 * Rounds rows to small codes.
 *
 * @module
 */
import type { Device } from "../device.ts";
import type { Tensor } from "../tensor.ts";
import { expectInt, expectRank, use } from "./_check.ts";

/** Options of {@linkcode quantize}. */
export interface QuantizeOptions {
  /** Bits of a code. */
  readonly bits: 4 | 8;
  /** Consecutive columns that share a step and a smallest value; divides the columns, even for 4 bits. @default all columns */
  readonly group?: number;
}

/** What {@linkcode quantize} returns: the number of column c is min + code * step. */
export interface Quantized {
  /** u8 [..., cols * bits / 8]; 4 bits: two to a byte, low nibble first. */
  readonly codes: Tensor;
  /** f32 [..., cols / group, 2] = (step, min) of every group. */
  readonly meta: Tensor;
}

/**
 * Rounds every number to the nearest of 2^bits evenly spaced ones from the smallest to the largest of its group.
 *
 * @param d Receives the result.
 * @param x Rows [..., cols].
 * @returns The codes, and what turns them into numbers again.
 * @throws RangeError if the columns cannot be grouped so.
 */
export function quantize(d: Device, x: Tensor, options: QuantizeOptions): Quantized {
  const id = use(d, "quantize", "x", x);
  expectRank("quantize", "x", x, 1);
  const cols = x.shape.at(-1)!;
  const { bits, group = cols } = options;
  if (bits !== 4 && bits !== 8) {
    throw new RangeError(`Cannot run quantize: "bits" is ${bits}, expected 4 or 8`);
  }
  expectInt("quantize", "group", group, 1);
  if (cols % group !== 0 || (bits === 4 && group % 2 !== 0)) {
    throw new RangeError(
      `Cannot run quantize: "group" is ${group}, expected ${
        bits === 4 ? "an even" : "a"
      } divisor of the ${cols} columns of "x"`,
    );
  }
  const outer = x.shape.slice(0, -1);
  const codes = d.empty([...outer, cols * bits / 8], "u8");
  const meta = d.empty([...outer, cols / group, 2]);
  if (x.size > 0) {
    const rows = x.size / cols;
    d.submit({ op: "quantize", x: id, codes: codes.id, meta: meta.id, rows, cols, bits, group });
  }
  return { codes, meta };
}
