/**
 * The steps of FlexPrefill, numbered as in its description: attention of the last block, budgets, pooled estimate, blocks.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { add, binary, mul } from "../device/ops/binary.ts";
import { cast } from "../device/ops/cast.ts";
import { concat } from "../device/ops/concat.ts";
import { full } from "../device/ops/fill.ts";
import { gather } from "../device/ops/gather.ts";
import { groupMean } from "../device/ops/group_mean.ts";
import { mark } from "../device/ops/mark.ts";
import { reduce } from "../device/ops/reduce.ts";
import { reshape } from "../device/ops/reshape.ts";
import { scan } from "../device/ops/scan.ts";
import { slice } from "../device/ops/slice.ts";
import { softmax } from "../device/ops/softmax.ts";
import { topk } from "../device/ops/topk.ts";
import { transpose } from "../device/ops/transpose.ts";
import { unary } from "../device/ops/unary.ts";
import type { Tensor } from "../device/tensor.ts";
import { lastLines } from "./minference_lines.ts";
import type { Note } from "./planner.ts";
import { headScores, maskTiles, table } from "./scores.ts";

/** Checked options; budgets in blocks. */
export interface FlexSettings {
  readonly blockSize: number;
  readonly gamma: number;
  readonly tau: number;
  readonly least: number;
  readonly most: number;
  readonly coverDiv: number;
}

/** What the steps read; query blocks begin where key blocks do. */
export interface FlexInputs {
  /** Queries of the last block [H, n, D]. */
  readonly last: Tensor;
  /** Means of the query blocks [H, nQ, D]. */
  readonly means: Tensor;
  /** Keys [Hkv, lk, D]. */
  readonly k: Tensor;
  readonly lk: number;
}

/** Smallest number that is a divisor and has a logarithm on every device. */
const TINY = 1e-37;

/** Tiles i32 [H, nQ, nK] of the blocks that FlexPrefill chooses. */
export function flexTiles(
  d: Device,
  { last, means, k, lk }: FlexInputs,
  { blockSize, gamma, tau, least, most, coverDiv }: FlexSettings,
  note: Note,
): Tensor {
  const [heads, n, width] = last.shape as [number, number, number];
  const [nQ, nK] = [means.shape[1]!, Math.ceil(lk / blockSize)];
  const scale = 1 / Math.sqrt(width);
  const number = (value: number): Tensor => full(d, [1], value);
  const halves = (x: Tensor): [Tensor, Tensor] => [slice(d, x, 0, 0, heads), slice(d, x, 0, heads)];

  // 1, 2: what the last queries look at, by key and by distance.
  const lines = lastLines(d, last, k, Array.from({ length: heads }, (_, h) => h));
  const vertical = mul(d, lines.columns, number(1 / n));
  const slash = mul(d, lines.diagonals, number(1 / n));
  const mass = concat(d, [vertical, slash], 0);

  // 3: the blocks that as many tokens would fill as hold a share gamma.
  const prefix = scan(d, topk(d, mass, lk).values);
  const within = reduce(d, "sum", binary(d, "lessEqual", prefix, number(gamma)));
  // floor((within + 1) / coverDiv), rounded to the nearest: the numbers lie between whole ones.
  const share = add(d, mul(d, within, number(1 / coverDiv)), number(1.5 / coverDiv - 0.5));
  const needed = add(d, cast(d, cast(d, share, "i32"), "f32"), number(1));
  const hi = Math.min(nK, most);
  const clamped = binary(d, "min", binary(d, "max", needed, number(least)), number(hi));

  // 4: sums of blocks, those of distances counted from the largest one.
  const padding = full(d, [heads, nK * blockSize - lk], 0);
  const sums = (parts: Tensor[]): Tensor =>
    reduce(d, "sum", reshape(d, concat(d, parts, 1), [heads, nK, blockSize]));
  const verticalBlocks = note("verticalBlockScore", sums([vertical, padding]));
  const reversed = table(d, [nK], (c) => nK - 1 - c);
  const offsets = transpose(d, sums([padding, slash]));
  const slashBlocks = note("slashBlockScore", transpose(d, gather(d, offsets, reversed)));

  // 5: the same from block means.
  const keys = groupMean(d, k, blockSize, { divisor: "real" });
  const estimate = note(
    "pooledEstimate",
    reshape(d, softmax(d, headScores(d, groupMean(d, last, n), keys, scale)), [heads, nK]),
  );

  // 6, 7: heads whose estimate is right need the fewest lines.
  const distance = note("jsDistance", jsDistance(d, estimate, verticalBlocks));
  const aware = note("queryAware", binary(d, "less", distance, number(tau)));
  const surplus = mul(d, binary(d, "sub", clamped, number(least)), concat(d, [aware, aware], 0));
  const counts = cast(d, binary(d, "sub", clamped, surplus), "i32");
  const [numVertical, numSlash] = halves(counts);
  note("numVertical", numVertical);
  note("numSlash", numSlash);

  // 8: the best lines; the first column and the diagonal always.
  const infinite = full(d, [heads, 1], Infinity);
  const ranked = topk(
    d,
    concat(d, [
      concat(d, [infinite, slice(d, verticalBlocks, 1, 1)], 1),
      concat(d, [slice(d, slashBlocks, 1, 0, nK - 1), infinite], 1),
    ], 0),
    hi,
  ).indices;
  const [columns, diagonals] = halves(ranked);
  note("verticalBlocks", columns);
  note("slashBlockOffsets", gather(d, reversed, diagonals));

  // 9: lines as blocks. With heads last, one list of lines serves all of them.
  const flags = reshape(d, mark(d, ranked, nK, { counts }), [2, heads, nK]);
  const perLine = reshape(d, transpose(d, flags, [0, 2, 1]), [2 * nK, heads]);
  const first = nK - nQ;
  const along = (line: (row: number, c: number) => number): Tensor =>
    gather(
      d,
      perLine,
      table(d, [nQ * nK], (i) => {
        const [row, c] = [first + Math.floor(i / nK), i % nK];
        return c <= row ? line(row, c) : -1;
      }),
    );
  const covered = binary(d, "max", along((_, c) => c), along((row, c) => 2 * nK - 1 - (row - c)));
  const lineMask = transpose(d, covered);

  // 10: query-aware heads add the largest entries of the pooled map.
  const chosen = tau > 0 ? pooled() : lineMask;
  const mask = note("blockMask", reshape(d, chosen, [heads, nQ, nK]));
  return maskTiles(d, mask, blockSize);

  function pooled(): Tensor {
    const lens = table(d, [nQ], (r) => first + r + 1);
    const map = reshape(d, softmax(d, headScores(d, means, keys, scale), { lens }), [heads, nQ * nK]);
    note("pooledMap", mul(d, map, aware, { axis: "rows" }));
    const { values, indices } = topk(d, map, nQ * nK);
    const kept = reduce(d, "sum", binary(d, "lessEqual", scan(d, values), number(gamma * nQ)));
    const marked = mark(d, indices, nQ * nK, { counts: cast(d, kept, "i32") });
    const causal = Float32Array.from(
      { length: nQ * nK },
      (_, i) => i % nK <= first + Math.floor(i / nK) ? 1 : 0,
    );
    const visible = mul(d, marked, d.tensor(causal, [nQ * nK]));
    return binary(d, "max", lineMask, mul(d, visible, aware, { axis: "rows" }));
  }
}

/** 6: the square root of the Jensen-Shannon divergence of rows a and b [H, m]; [H]. */
function jsDistance(d: Device, a: Tensor, b: Tensor): Tensor {
  const tiny = full(d, [1], TINY);
  const half = full(d, [1], 0.5);
  const middle = binary(d, "max", mul(d, add(d, a, b), half), tiny);
  // What is 0 counts 0: its logarithm is finite.
  const from = (x: Tensor): Tensor => {
    const ratio = binary(d, "div", binary(d, "max", x, tiny), middle);
    return reduce(d, "sum", mul(d, x, unary(d, "log", ratio)));
  };
  const divergence = mul(d, add(d, from(a), from(b)), half);
  return unary(d, "sqrt", binary(d, "max", divergence, full(d, [1], 0)));
}
