/**
 * Means and extremes of neighbours.
 *
 * @module
 */
import type { Device } from "../device.ts";
import { REDUCE_CODE } from "../ops.ts";
import type { Tensor } from "../tensor.ts";
import { expectInt, expectRank, expectShape, use, useOptional } from "./_check.ts";

/** Options of {@linkcode groupMean}. */
export interface GroupMeanOptions {
  /**
   * By what the sum of the last, shorter group is divided: always `g`, or its real size.
   * @default "g"
   */
  readonly divisor?: "g" | "real";
  /** i32 [rows / rowsPerCount]: only so many members of a row count; sums are divided by the number of those (zeros if none). */
  readonly counts?: Tensor;
  /** Neighbouring rows that share one entry of `counts`. @default 1 */
  readonly rowsPerCount?: number;
}

/**
 * Computes the mean of every `g` consecutive members.
 *
 * @param d Receives the result.
 * @param x [..., h, e]: h members of e numbers in every row.
 * @param g Members per group.
 * @returns [..., ceil(h / g), e].
 * @throws RangeError if shapes do not fit.
 */
export function groupMean(d: Device, x: Tensor, g: number, options: GroupMeanOptions = {}): Tensor {
  return group(d, "mean", x, g, options);
}

/** Finds the largest of every `g` consecutive members; see {@linkcode groupMean}. */
export function groupMax(d: Device, x: Tensor, g: number): Tensor {
  return group(d, "max", x, g, {});
}

/** Finds the smallest of every `g` consecutive members; see {@linkcode groupMean}. */
export function groupMin(d: Device, x: Tensor, g: number): Tensor {
  return group(d, "min", x, g, {});
}

/** Sums every `g` consecutive members; see {@linkcode groupMean}. */
export function groupSum(d: Device, x: Tensor, g: number): Tensor {
  return group(d, "sum", x, g, {});
}

function group(
  d: Device,
  kind: keyof typeof REDUCE_CODE,
  x: Tensor,
  g: number,
  options: GroupMeanOptions,
): Tensor {
  const { divisor = "g", counts, rowsPerCount = 1 } = options;
  const ids = {
    x: use(d, "groupMean", "x", x),
    counts: useOptional(d, "groupMean", "counts", counts, "i32"),
  };
  expectRank("groupMean", "x", x, 2);
  expectInt("groupMean", "g", g, 1);
  expectInt("groupMean", "rowsPerCount", rowsPerCount, 1);
  const h = x.shape.at(-2)!;
  const e = x.shape.at(-1)!;
  const leading = x.shape.slice(0, -2);
  const rows = leading.reduce((all, size) => all * size, 1);
  if (counts) {
    expectShape(
      "groupMean",
      "counts",
      counts,
      [rows / rowsPerCount],
      `for ${rows} rows, ${rowsPerCount} per count`,
    );
  }
  const out = d.empty([...leading, Math.ceil(h / g), e]);
  if (out.size > 0) {
    d.submit({
      op: "groupMean",
      ...ids,
      out: out.id,
      rows,
      h,
      e,
      g,
      divisor: divisor === "real" ? 1 : 0,
      rowsPerCount,
      kind: REDUCE_CODE[kind],
    });
  }
  return out;
}
