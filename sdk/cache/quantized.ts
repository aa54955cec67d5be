/**
 * Rows as int8 or int4 codes.
 *
 * @module
 */
import { integerCodec } from "../device/row_codec.ts";
import { rowStorage } from "./row_store.ts";
import type { Storage } from "./storage.ts";

/** Options of {@linkcode quantized}. */
export interface QuantizedOptions {
  /** Bits of a code. @default 8 */
  readonly bits?: 8 | 4;
  /** Consecutive columns that share a step and a minimum; divides the columns of a head. @default all */
  readonly group?: number;
}

/**
 * Keeps keys and values as codes, asymmetric: x = min + code * step for each token, head and group of columns (LServe, KIVI).
 *
 * @throws RangeError if an option is out of range.
 */
export function quantized({ bits = 8, group }: QuantizedOptions = {}): Storage {
  if (bits !== 8 && bits !== 4) {
    throw new RangeError(`Cannot use quantized: "bits" is ${bits}, expected 8 or 4`);
  }
  if (group !== undefined && !(Number.isInteger(group) && group > 0 && (bits === 8 || group % 2 === 0))) {
    throw new RangeError(
      `Cannot use quantized: "group" is ${group}, expected a whole number above 0, even for 4 bits`,
    );
  }
  return rowStorage({ name: "quantized", bits, ...(group !== undefined && { group }) }, (headDim) => {
    const width = group ?? headDim;
    if (headDim % width !== 0 || (bits === 4 && headDim % 2 !== 0)) {
      throw new RangeError(
        `Cannot use quantized: heads have ${headDim} columns, expected a multiple of ${
          bits === 4 ? "2 and of " : ""
        }the group (${width})`,
      );
    }
    return integerCodec(bits, headDim, width);
  });
}
