/**
 * Lines that the patterns of MMInference make visible, as flags.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { binary } from "../device/ops/binary.ts";
import { cast } from "../device/ops/cast.ts";
import { concat } from "../device/ops/concat.ts";
import { full } from "../device/ops/fill.ts";
import { gather } from "../device/ops/gather.ts";
import { groupSum } from "../device/ops/group_mean.ts";
import { mark } from "../device/ops/mark.ts";
import { reduce } from "../device/ops/reduce.ts";
import { repeat } from "../device/ops/repeat.ts";
import { reshape } from "../device/ops/reshape.ts";
import { slice } from "../device/ops/slice.ts";
import { topk } from "../device/ops/topk.ts";
import { scoped } from "../device/scoped.ts";
import type { Tensor } from "../device/tensor.ts";
import type { MmGrid } from "./mminference_patterns.ts";
import { table } from "./scores.ts";

/** More than any sum of attention. */
const FORCED = 1e30;

/** Ranks 0, 1, ... as f32 [rows, length]. */
function ranks(d: Device, rows: number, length: number): Tensor {
  return repeat(d, d.tensor(new Float32Array(length).map((_, i) => i), [1, length]), 0, rows);
}

/** A number per row, as f32 [rows]. */
function perRow(d: Device, values: readonly (number | boolean)[]): Tensor {
  return d.tensor(Float32Array.from(values, Number), [values.length]);
}

/**
 * Flags of what is below a limit.
 *
 * @returns f32 [limits.length, length]: 1 at the first `limits[r]` entries of row r.
 */
export function below(d: Device, limits: readonly number[], length: number): Tensor {
  return binary(d, "less", ranks(d, limits.length, length), perRow(d, limits), { axis: "rows" });
}

/**
 * Flags of the largest entries of rows.
 *
 * @param scores [rows, cols], at least 0.
 * @param counts How many entries of each row, at least those that are forced.
 * @param forced How many of the first entries of each row count as the largest.
 * @returns f32 [rows, length]; 0 from `cols` on.
 */
export function best(
  d: Device,
  scores: Tensor,
  counts: readonly number[],
  forced: readonly number[],
  length: number,
): Tensor {
  return scoped(d, (s) => {
    const cols = scores.shape[1]!;
    const wanted = counts.map((count, r) => Math.min(cols, Math.max(count, forced[r]!)));
    const first = binary(s, "mul", below(s, forced, cols), full(s, [1], FORCED));
    const { indices } = topk(s, binary(s, "max", scores, first), Math.max(1, ...wanted));
    return mark(s, indices, length, { counts: s.tensor(Int32Array.from(wanted), [wanted.length]) });
  });
}

/**
 * Chooses the stride and the phase of the lines that hold most above their uniform share.
 *
 * @param columns [rows, cols]: attention by rank.
 * @param strides Candidates of all rows.
 * @param init How many of the first ranks of each row are left out.
 * @returns f32 [rows, 2]: stride and phase; the first candidate among equals.
 */
export function chooseSteps(
  d: Device,
  columns: Tensor,
  strides: readonly number[],
  init: readonly number[],
): Tensor {
  return scoped(d, (s) => {
    const [rows, cols] = columns.shape as [number, number];
    const counted = binary(s, "sub", full(s, [rows, cols], 1), below(s, init, cols));
    const mass = binary(s, "mul", columns, counted);
    const padded = concat(s, [mass, full(s, [rows, Math.max(...strides)], 0)], 1);
    const sums = strides.map((stride) => {
      const turns = Math.ceil(cols / stride);
      const whole = reshape(s, slice(s, padded, 1, 0, turns * stride), [rows, turns, stride]);
      return reshape(s, groupSum(s, whole, turns), [rows, stride]);
    });
    const steps = strides.flatMap((stride) =>
      Array.from({ length: stride }, (_, phase) => [stride, phase] as const)
    );
    const inits = [...new Set(init)];
    const shares = inits.flatMap((first) =>
      steps.map(([stride, phase]) => {
        const members = onLine(cols, stride, phase) - onLine(Math.min(first, cols), stride, phase);
        return members / Math.max(1, cols - first);
      })
    );
    const uniform = gather(
      s,
      s.tensor(Float32Array.from(shares), [inits.length, steps.length]),
      table(s, [rows], (r) => inits.indexOf(init[r]!)),
    );
    const fair = binary(s, "mul", uniform, reduce(s, "sum", mass), { axis: "rows" });
    const { indices } = topk(s, binary(s, "sub", concat(s, sums, 1), fair), 1);
    const choices = s.tensor(Float32Array.from(steps.flat()), [steps.length, 2]);
    return reshape(s, gather(s, choices, indices), [rows, 2]);
  });
}

/** How many of 0 to length - 1 leave the rest `phase` when divided by `stride`. */
function onLine(length: number, stride: number, phase: number): number {
  return Math.max(0, Math.ceil((length - phase) / stride));
}

/**
 * Flags of grids.
 *
 * @param steps f32 [rows, 2]: stride and phase.
 * @param bundles How many neighbouring rests are one bundle.
 * @returns f32 [rows, length] each: of ranks of keys, of distances, of counts of queries; and the bundles that 0, 1, ... are in.
 */
export function gridLines(
  d: Device,
  steps: Tensor,
  patterns: readonly MmGrid[],
  bundles: readonly number[],
  length: number,
): Record<"keys" | "distances" | "queries" | "bundles", Tensor> {
  return scoped(d, (s) => {
    const [all, stride] = [ranks(s, patterns.length, length), slice(s, steps, 1, 0, 1)];
    const multiples = binary(s, "mul", quotients(s, all, stride), stride, { axis: "rows" });
    const rests = binary(s, "sub", all, multiples);
    const onPhase = binary(s, "equal", rests, slice(s, steps, 1, 1, 2), { axis: "rows" });
    const onStride = binary(s, "equal", rests, full(s, [1], 0));
    const where = (flags: Tensor, wanted: readonly boolean[], limits: readonly number[]): Tensor => {
      const chosen = binary(s, "mul", flags, perRow(s, wanted), { axis: "rows" });
      return binary(s, "max", chosen, below(s, limits, length));
    };
    return {
      keys: where(onPhase, patterns.map((p) => p.vline), patterns.map((p) => p.init)),
      distances: where(onStride, patterns.map((p) => p.slash), patterns.map((p) => p.local)),
      queries: where(onPhase, patterns.map((p) => p.hline), patterns.map(() => 0)),
      bundles: quotients(s, rests, perRow(s, bundles)),
    };
  });
}

/**
 * Whole numbers divided by whole numbers, rounded down; exact below 2^21.
 *
 * @param x f32 [rows, n], from 0.
 * @param by f32 [rows] or [rows, 1].
 * @returns f32 [rows, n].
 */
function quotients(d: Device, x: Tensor, by: Tensor): Tensor {
  const half = full(d, [1], 0.5);
  // In the middle between two multiples a quotient cannot be rounded to the wrong one.
  const middle = binary(d, "div", binary(d, "add", x, half), by, { axis: "rows" });
  return cast(d, cast(d, binary(d, "sub", middle, half), "i32"), "f32");
}
