/**
 * Cases of operations on rows: norms, softmax, reductions, top-k, means of groups.
 *
 * @module
 */
import type { Random } from "../../testing/random.ts";
import type { Device } from "../device.ts";
import { add, binary } from "../ops/binary.ts";
import { cast } from "../ops/cast.ts";
import { gather } from "../ops/gather.ts";
import { groupMean } from "../ops/group_mean.ts";
import { layerNorm } from "../ops/layer_norm.ts";
import { reduce } from "../ops/reduce.ts";
import { reshape } from "../ops/reshape.ts";
import { rmsNorm } from "../ops/rms_norm.ts";
import { softmax } from "../ops/softmax.ts";
import { topk } from "../ops/topk.ts";
import type { Tensor } from "../tensor.ts";
import type { ConformanceCase } from "./case.ts";

const SHAPES: readonly (readonly [number, number])[] = [
  [1, 1],
  [1, 2],
  [3, 4],
  [5, 7],
  [2, 16],
  [17, 31],
  [9, 33],
  [4, 128],
  [2, 1000],
];

const normCases: readonly ConformanceCase[] = SHAPES.map(([rows, cols]) => ({
  name: `norms and softmax() of [${rows}, ${cols}]`,
  run: (d: Device, random: Random): Record<string, Tensor> => {
    const x = d.tensor(random.normals(rows * cols, 3, 5), [rows, cols]);
    const weight = d.tensor(random.normals(cols), [cols]);
    const bias = d.tensor(random.normals(cols), [cols]);
    return {
      layer: layerNorm(d, x, weight, bias),
      layerEps: layerNorm(d, x, weight, bias, { eps: 0.5 }),
      rms: rmsNorm(d, x, weight),
      softmax: softmax(d, x),
      scaled: softmax(d, x, { scale: -0.3 }),
    };
  },
}));

const reduceCases: readonly ConformanceCase[] = SHAPES.map(([rows, cols]) => ({
  name: `reduce() of [${rows}, ${cols}]`,
  run: (d: Device, random: Random): Record<string, Tensor> => {
    const x = d.tensor(random.normals(rows * cols, 1, 0.5), [rows, cols]);
    return {
      sum: reduce(d, "sum", x),
      mean: reduce(d, "mean", x),
      max: reduce(d, "max", x),
      min: reduce(d, "min", x),
    };
  },
}));

const topkCases: readonly ConformanceCase[] = SHAPES.map(([rows, cols]) => ({
  name: `topk() of [${rows}, ${cols}] with equal values`,
  run: (d: Device, random: Random): Record<string, Tensor> => {
    const x = d.tensor(Float32Array.from(random.ints(rows * cols, -4, 5)), [rows, cols]);
    const one = topk(d, x, 1);
    const half = topk(d, x, Math.ceil(cols / 2));
    const all = topk(d, x, cols);
    return {
      oneValue: one.values,
      oneIndex: one.indices,
      halfValues: half.values,
      halfIndices: half.indices,
      allValues: all.values,
      allIndices: all.indices,
    };
  },
}));

/** Rows, columns and k; where they are long, multiples of 64, so that a device whose bindings are small can cut between rows. */
const UNSORTED: readonly (readonly [number, number, number])[] = [
  [3, 40, 7],
  [3, 4992, 64],
  [5, 8192, 704],
  [3, 4160, 4160],
];

const unsortedCases: readonly ConformanceCase[] = UNSORTED.map(([rows, cols, k]) => ({
  name: `topk() of [${rows}, ${cols}] in any order`,
  run: (d: Device, random: Random): Record<string, Tensor> => {
    const x = d.tensor(Float32Array.from(random.ints(rows * cols, -40, 41)), [rows, cols]);
    const { values, indices } = topk(d, x, k, { sorted: false });
    const columns = cast(d, indices, "f32");
    const begins = d.tensor(Float32Array.from({ length: rows }, (_, row) => row * cols), [rows, 1]);
    const named = gather(d, reshape(d, x, [rows * cols]), cast(d, add(d, columns, begins), "i32"));
    return {
      // In order, as devices may find them in any.
      values: topk(d, values, k).values,
      columns: topk(d, columns, k).values,
      differences: binary(d, "sub", values, named),
    };
  },
}));

const GROUPS: readonly (readonly [number, number, number, number])[] = [
  [1, 1, 1, 1],
  [2, 5, 3, 2],
  [4, 8, 16, 4],
  [6, 17, 33, 16],
  [4, 3, 8, 7],
];

const groupCases: readonly ConformanceCase[] = GROUPS.map(([rows, h, e, g]) => ({
  name: `groupMean() of ${g} in [${rows}, ${h}, ${e}]`,
  run: (d: Device, random: Random): Record<string, Tensor> => {
    const x = d.tensor(random.normals(rows * h * e), [rows, h, e]);
    const counts = d.tensor(random.ints(rows, 0, h + 2), [rows]);
    const shared = d.tensor(random.ints(Math.ceil(rows / 2), 0, h + 1), [Math.ceil(rows / 2)]);
    return {
      always: groupMean(d, x, g),
      real: groupMean(d, x, g, { divisor: "real" }),
      counted: groupMean(d, x, g, { counts }),
      ...(rows % 2 === 0 &&
        { shared: groupMean(d, x, g, { counts: shared, rowsPerCount: 2, divisor: "real" }) }),
    };
  },
}));

/** All cases of this file. */
export const rowCases: readonly ConformanceCase[] = [
  ...normCases,
  ...reduceCases,
  ...topkCases,
  ...unsortedCases,
  ...groupCases,
  {
    name: "topk() of rows with NaN",
    run: (d, random): Record<string, Tensor> => {
      const values = Float32Array.from(random.ints(3 * 700, -40, 40), (x) => x > 30 ? NaN : x);
      values.set([NaN, -Infinity, Infinity, -0, 0]);
      const x = d.tensor(values, [3, 700]);
      return { few: topk(d, x, 9).indices, most: topk(d, x, 650).indices, all: topk(d, x, 700).indices };
    },
  },
  {
    name: "softmax() of rows with -Infinity",
    run: (d): Record<string, Tensor> => {
      const none = -Infinity;
      const x = d.tensor(Float32Array.of(none, none, none, 1, none, 2, none, none, -1e30), [3, 3]);
      return { out: softmax(d, x) };
    },
  },
  {
    name: "softmax() of large scores",
    run: (d, random): Record<string, Tensor> => ({
      out: softmax(d, d.tensor(random.normals(60, 1e4), [3, 20])),
    }),
  },
  {
    name: "layerNorm() of a constant row",
    run: (d): Record<string, Tensor> => {
      const x = d.tensor(new Float32Array(24).fill(7), [2, 12]);
      const ones = d.tensor(new Float32Array(12).fill(1), [12]);
      return { out: layerNorm(d, x, ones, ones) };
    },
  },
];
