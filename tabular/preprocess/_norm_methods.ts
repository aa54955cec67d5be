/** The five normalisation methods behind one interface: fit on scaled training columns, apply in place (SPEC 7.3 b). */

import { columnOf, type Matrix } from "./matrix.ts";
import { numpyNormals } from "./numpy_random.ts";
import { fitPower, yeoJohnson } from "./power.ts";
import {
  applyQuantiles,
  fitQuantiles,
  quantileCount,
  quantileReferences,
  rtdlQuantileCount,
  subsampleRows,
} from "./quantile.ts";
import { applyRobust, fitRobust } from "./robust.ts";
import { applyStandard, fitStandard } from "./standardize.ts";
import { moments } from "./statistics.ts";

/** The name of a normalisation method. */
export type NormMethod = "none" | "power" | "quantile" | "quantile_rtdl" | "robust";

type Arrays = Readonly<Record<string, Float64Array>>;

interface Method {
  /** The names of the arrays that `fit` returns. */
  arrays: readonly string[];
  fit(scaled: Matrix, seed: number): Record<string, Float64Array>;
  apply(scaled: Matrix, arrays: Arrays, overflow: Overflow): void;
}

/**
 * What a power that overflows does: its cell alone is clipped to the training range, or every cell of the table (as in the official
 * code), so that a row's result depends on the others.
 */
export type Overflow = "cell" | "table";

const NOISE = 1e-3;

const METHODS: Readonly<Record<NormMethod, Method>> = {
  none: { arrays: [], fit: () => ({}), apply: () => {} },
  power: {
    arrays: ["lambdas", "lowest", "highest", "standard_mean", "standard_scale"],
    fit(scaled) {
      const lambdas = new Float64Array(scaled.columns);
      const scratch = [new Float64Array(scaled.rows), new Float64Array(scaled.rows)] as const;
      const lowest = new Float64Array(scaled.columns);
      const highest = new Float64Array(scaled.columns);
      for (let j = 0; j < scaled.columns; j++) {
        const column = columnOf(scaled, j);
        lambdas[j] = fitPower(column, scratch);
        [lowest[j], highest[j]] = rangeOf(column);
      }
      return {
        lambdas,
        lowest,
        highest,
        ...fitStandards(scaled, (column, j) => yeoJohnson(column, lambdas[j]!)),
      };
    },
    apply(scaled, arrays, overflow) {
      clipOverflow(scaled, arrays, overflow);
      for (let j = 0; j < scaled.columns; j++) yeoJohnson(columnOf(scaled, j), arrays["lambdas"]![j]!);
      applyStandards(scaled, arrays);
    },
  },
  quantile: {
    arrays: ["quantiles"],
    fit: (scaled, seed) => ({ quantiles: allQuantiles(scaled, quantileCount(scaled.rows), seed) }),
    apply: applyAllQuantiles,
  },
  quantile_rtdl: {
    arrays: ["quantiles", "standard_mean", "standard_scale"],
    fit(scaled, seed) {
      const count = rtdlQuantileCount(scaled.rows);
      const quantiles = allQuantiles(withNoise(scaled, seed), count, seed);
      const references = quantileReferences(count);
      const standards = fitStandards(scaled, (column, j) => {
        applyQuantiles(column, quantiles.subarray(j * count, (j + 1) * count), references);
      });
      return { quantiles, ...standards };
    },
    apply(scaled, arrays) {
      applyAllQuantiles(scaled, arrays);
      applyStandards(scaled, arrays);
    },
  },
  robust: {
    arrays: ["center", "scale"],
    fit(scaled) {
      const center = new Float64Array(scaled.columns);
      const scale = new Float64Array(scaled.columns);
      for (let j = 0; j < scaled.columns; j++) {
        const robust = fitRobust(columnOf(scaled, j).slice().sort());
        center[j] = robust.center;
        scale[j] = robust.scale;
      }
      return { center, scale };
    },
    apply(scaled, arrays) {
      for (let j = 0; j < scaled.columns; j++) {
        applyRobust(columnOf(scaled, j), { center: arrays["center"]![j]!, scale: arrays["scale"]![j]! });
      }
    },
  },
};

/** Refuses a name that is not a method's. */
export function checkMethod(method: string): asserts method is NormMethod {
  if (Object.hasOwn(METHODS, method)) return;
  const names = Object.keys(METHODS).map((name) => `"${name}"`).join(", ");
  throw new TypeError(`Cannot use the normalisation method "${method}": expected one of ${names}`);
}

/** The method of a name that `checkMethod` has passed. */
export function normMethod(method: NormMethod): Method {
  return METHODS[method];
}

/** Measures every column after a transform, without changing the table. */
function fitStandards(
  scaled: Matrix,
  transform: (column: Float64Array, index: number) => void,
): Record<string, Float64Array> {
  const mean = new Float64Array(scaled.columns);
  const scale = new Float64Array(scaled.columns);
  const copy = new Float64Array(scaled.rows);
  const scratch = new Float64Array(scaled.rows);
  for (let j = 0; j < scaled.columns; j++) {
    copy.set(columnOf(scaled, j));
    transform(copy, j);
    const standard = fitStandard(copy, scratch);
    mean[j] = standard.mean;
    scale[j] = standard.scale;
  }
  return { standard_mean: mean, standard_scale: scale };
}

function applyStandards(table: Matrix, arrays: Arrays): void {
  for (let j = 0; j < table.columns; j++) {
    const standard = { mean: arrays["standard_mean"]![j]!, scale: arrays["standard_scale"]![j]! };
    applyStandard(columnOf(table, j), standard);
  }
}

function rangeOf(column: Float64Array): [lowest: number, highest: number] {
  let lowest = Infinity;
  let highest = -Infinity;
  for (let i = 0; i < column.length; i++) {
    lowest = Math.min(lowest, column[i]!);
    highest = Math.max(highest, column[i]!);
  }
  return [lowest, highest];
}

/** Clips to the training range what would overflow in `yeoJohnson`: far test values under a large parameter. */
function clipOverflow(scaled: Matrix, arrays: Arrays, overflow: Overflow): void {
  const overflows = (z: number, lambda: number): boolean => {
    const probe = Float64Array.of(z);
    yeoJohnson(probe, lambda);
    return !Number.isFinite(probe[0]!);
  };
  const lambdas = arrays["lambdas"]!;
  const affected = Array.from(lambdas, (_, j) => j).filter((j) =>
    scaled.rows > 0 && rangeOf(columnOf(scaled, j)).some((z) => overflows(z, lambdas[j]!))
  );
  if (affected.length === 0) return;
  for (const j of overflow === "table" ? lambdas.keys() : affected) {
    const column = columnOf(scaled, j);
    const lowest = arrays["lowest"]![j]!;
    const highest = arrays["highest"]![j]!;
    for (let i = 0; i < column.length; i++) {
      if (overflow === "cell" && !overflows(column[i]!, lambdas[j]!)) continue;
      column[i] = Math.max(lowest, Math.min(highest, column[i]!));
    }
  }
}

function allQuantiles(table: Matrix, count: number, seed: number): Float64Array {
  const references = quantileReferences(count);
  const rows = subsampleRows(table.rows, seed);
  const result = new Float64Array(count * table.columns);
  const sample = new Float64Array(rows?.length ?? table.rows);
  for (let j = 0; j < table.columns; j++) {
    const column = columnOf(table, j);
    if (rows === undefined) sample.set(column);
    else for (let i = 0; i < rows.length; i++) sample[i] = column[rows[i]!]!;
    result.set(fitQuantiles(sample.sort(), references), j * count);
  }
  return result;
}

function applyAllQuantiles(table: Matrix, arrays: Arrays): void {
  const quantiles = arrays["quantiles"]!;
  const count = quantiles.length / table.columns;
  if (table.columns === 0) return;
  const references = quantileReferences(count);
  for (let j = 0; j < table.columns; j++) {
    applyQuantiles(columnOf(table, j), quantiles.subarray(j * count, (j + 1) * count), references);
  }
}

/** The table plus normal noise of 1e-3 in units of its spread, drawn row by row. */
function withNoise(scaled: Matrix, seed: number): Matrix {
  const { rows, columns } = scaled;
  const factors = new Float64Array(columns);
  const scratch = new Float64Array(rows);
  for (let j = 0; j < columns; j++) {
    factors[j] = NOISE / Math.max(moments(columnOf(scaled, j), 0, scratch).deviation, NOISE);
  }
  const data = scaled.data.slice();
  const normals = numpyNormals(seed);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) data[j * rows + i]! += factors[j]! * normals.next();
  }
  return { rows, columns, data };
}
