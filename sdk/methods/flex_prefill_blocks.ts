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

  // 3: how many blocks of lines each head wants.
  const hi = Math.min(nK, most);
  const wanted = linesWanted(d, mass, gamma, coverDiv);
  const clamped = binary(d, "min", binary(d, "max", wanted, number(least)), number(hi));

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

  // 9, 10: lines as blocks; query-aware heads add the largest entries of the pooled map.
  const flags = mark(d, ranked, nK, { counts });
  let mask = lineBlocks(d, flags, heads, nQ, nK);
  if (tau > 0) {
    const lens = table(d, [nQ], (r) => nK - nQ + r + 1);
    const map = softmax(d, headScores(d, means, keys, scale), { lens });
    note("pooledMap", mul(d, map, aware, { axis: "rows" }));
    mask = binary(d, "max", mask, mul(d, mapBlocks(d, map, gamma), aware, { axis: "rows" }));
  }
  note("blockMask", mask);
  return maskTiles(d, mask, blockSize);
}

/** 3: blocks that as many tokens would fill as hold a share gamma of every row of `mass`, as whole numbers in float32. */
function linesWanted(d: Device, mass: Tensor, gamma: number, coverDiv: number): Tensor {
  const prefix = scan(d, topk(d, mass, mass.shape[1]!).values);
  const within = reduce(d, "sum", binary(d, "lessEqual", prefix, full(d, [1], gamma)));
  // floor((within + 1) / coverDiv) by rounding to the nearest: half a token off, no share lies between two whole numbers.
  const share = mul(d, add(d, within, full(d, [1], 1.5 - coverDiv / 2)), full(d, [1], 1 / coverDiv));
  return add(d, cast(d, cast(d, share, "i32"), "f32"), full(d, [1], 1));
}

/** 9: a block mask [heads, nQ, nK] from flags [2 * heads, nK] of columns and of diagonals, the last of which has distance 0. */
function lineBlocks(d: Device, flags: Tensor, heads: number, nQ: number, nK: number): Tensor {
  // With heads last, one list of lines serves all of them.
  const lines = transpose(d, reshape(d, flags, [2, heads, nK]), [0, 2, 1]);
  const along = (line: (row: number, c: number) => number): Tensor => {
    const index = table(d, [nQ * nK], (i) => {
      const [row, c] = [nK - nQ + Math.floor(i / nK), i % nK];
      return c <= row ? line(row, c) : -1;
    });
    return gather(d, reshape(d, lines, [2 * nK, heads]), index);
  };
  const columns = along((_, c) => c);
  const diagonals = along((row, c) => 2 * nK - 1 - (row - c));
  return reshape(d, transpose(d, binary(d, "max", columns, diagonals)), [heads, nQ, nK]);
}

/** 10: a block mask of the largest entries of each map [heads, nQ, nK] that together do not pass a share gamma. */
function mapBlocks(d: Device, map: Tensor, gamma: number): Tensor {
  const [heads, nQ, nK] = map.shape as [number, number, number];
  const { values, indices } = topk(d, reshape(d, map, [heads, nQ * nK]), nQ * nK);
  const within = binary(d, "lessEqual", scan(d, values), full(d, [1], gamma * nQ));
  const counts = cast(d, reduce(d, "sum", within), "i32");
  const largest = reshape(d, mark(d, indices, nQ * nK, { counts }), map.shape);
  // What is not causal is 0 in the map, and may be within all the same.
  const causal = Float32Array.from(
    { length: nQ * nK },
    (_, i) => i % nK <= nK - nQ + Math.floor(i / nK) ? 1 : 0,
  );
  return mul(d, largest, d.tensor(causal, [nQ, nK]));
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
