/**
 * Masks as the words of a plan's bits, made on the device.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { mul } from "../device/ops/binary.ts";
import { cast } from "../device/ops/cast.ts";
import { concat } from "../device/ops/concat.ts";
import { full } from "../device/ops/fill.ts";
import { reshape } from "../device/ops/reshape.ts";
import { scan } from "../device/ops/scan.ts";
import { slice } from "../device/ops/slice.ts";
import { scoped } from "../device/scoped.ts";
import type { Tensor } from "../device/tensor.ts";

const WORD = 32;

/**
 * Packs flags into words, low bit first.
 *
 * @param d Receives the result.
 * @param flags f32 [rows, cols] of 0 and 1.
 * @returns i32 [rows, ceil(cols / 32)]; 0 past the last column.
 */
export function maskBits(d: Device, flags: Tensor): Tensor {
  const [rows, cols] = flags.shape as [number, number];
  const words = Math.ceil(cols / WORD);
  return scoped(d, (s) => {
    const rest = words * WORD - cols;
    const whole = rest === 0 ? flags : concat(s, [flags, full(s, [rows, rest], 0)], 1);
    const byWord = reshape(s, whole, [rows * words, WORD]);
    const values = cast(s, mul(s, byWord, s.tensor(BIT_VALUES, [WORD])), "i32");
    // Sums of integers are exact, the sign bit included; floats of 24 bits would not be.
    return reshape(s, slice(s, scan(s, values), 1, WORD - 1), [rows, words]);
  });
}

/** What every bit adds to an i32; each is a float exactly. */
const BIT_VALUES = Float32Array.from({ length: WORD }, (_, bit) => bit === 31 ? -(2 ** 31) : 2 ** bit);
