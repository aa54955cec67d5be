/**
 * The preprocessing of one normalisation method: scale, transform, soft clip (SPEC 7.3).
 *
 * @module
 */

import { columnOf, type Matrix, zeros } from "./matrix.ts";
import { checkMethod, type NormMethod, normMethod, type Overflow } from "./_norm_methods.ts";
import { applyBounds, fitBounds } from "./outliers.ts";
import { applyScale, fitScale } from "./scale.ts";

export type { NormMethod, Overflow } from "./_norm_methods.ts";

/** How a pipeline is fitted. */
export interface PipelineOptions {
  /** Standard deviations from which values count as outliers. @default 4 */
  outlierThreshold?: number;
  /** The seed of the noise of `quantile_rtdl` and of the rows that fit the quantiles of long tables. @default 42 */
  randomState?: number;
}

/** All that a fitted pipeline knows, as plain data. */
export interface PipelineState {
  /** The method. */
  readonly method: NormMethod;
  /** The number of columns it was fitted on. */
  readonly columns: number;
  /**
   * Numbers per column: `mean`, `divisor`, `lower`, `upper` always; `lambdas`, `lowest`, `highest`, `standard_mean`, `standard_scale` for power;
   * `quantiles` (column-major, as many per column as its length divided by `columns`) for the quantile methods, for
   * `quantile_rtdl` also `standard_mean`, `standard_scale`; `center`, `scale` for robust.
   */
  readonly arrays: Readonly<Record<string, Float64Array>>;
}

/** A state as it may come back from a file: any list of numbers will do. */
export interface StoredPipelineState {
  /** The method. */
  readonly method: string;
  /** The number of columns. */
  readonly columns: number;
  /** The arrays of `PipelineState`. */
  readonly arrays: Readonly<Record<string, ArrayLike<number>>>;
}

/** A fitted pipeline. */
export interface Pipeline {
  /** What it knows; give it to `restorePipeline`. */
  readonly state: PipelineState;
  /**
   * Transforms a table.
   *
   * @param table Finite numbers; as many columns as in training.
   * @param overflow What to clip to the training range when a power overflows: that cell (default), or the whole table as the
   * official code does.
   * @returns A new table of the same shape.
   * @throws {RangeError} The number of columns differs.
   */
  transform(table: Matrix, overflow?: Overflow): Matrix;
}

/**
 * Fits a pipeline on training rows.
 *
 * @param method The normalisation method.
 * @param train Finite numbers, at least one row.
 * @param options See `PipelineOptions`.
 * @returns The pipeline.
 * @throws {TypeError} The method is unknown. @throws {RangeError} No rows, or an option is out of range.
 */
export function fitPipeline(method: NormMethod, train: Matrix, options: PipelineOptions = {}): Pipeline {
  return fitTransform(method, train, options).pipeline;
}

/**
 * Fits a pipeline and gives the transformed training rows too, which fitting computes anyway.
 *
 * @param method The normalisation method.
 * @param train Finite numbers, at least one row.
 * @param options See `PipelineOptions`.
 * @returns The pipeline, and what its `transform(train)` would return.
 * @throws {TypeError} The method is unknown. @throws {RangeError} No rows, or an option is out of range.
 */
export function fitTransform(
  method: NormMethod,
  train: Matrix,
  options: PipelineOptions = {},
): { pipeline: Pipeline; values: Matrix } {
  checkMethod(method);
  const { outlierThreshold = 4, randomState = 42 } = options;
  if (train.rows < 1) throw new RangeError("Cannot fit the preprocessing: the table has no rows");
  if (!(outlierThreshold > 0)) {
    throw new RangeError(`Cannot use the outlier threshold ${outlierThreshold}: expected a number above 0`);
  }
  const { columns, rows } = train;
  const scratch = new Float64Array(rows);
  const [mean, divisor, lower, upper] = [0, 0, 0, 0].map(() => new Float64Array(columns));
  const values = zeros(rows, columns);
  for (let j = 0; j < columns; j++) {
    const source = columnOf(train, j);
    const scale = fitScale(source, scratch);
    applyScale(source, columnOf(values, j), scale);
    mean![j] = scale.mean;
    divisor![j] = scale.divisor;
  }
  const { fit, apply } = normMethod(method);
  const arrays = fit(values, randomState);
  apply(values, arrays, "cell");
  for (let j = 0; j < columns; j++) {
    const column = columnOf(values, j);
    const bounds = fitBounds(column, outlierThreshold, scratch);
    applyBounds(column, bounds);
    lower![j] = bounds.lower;
    upper![j] = bounds.upper;
  }
  const state = {
    method,
    columns,
    arrays: { mean: mean!, divisor: divisor!, ...arrays, lower: lower!, upper: upper! },
  };
  return { pipeline: pipelineOf(state), values };
}

/**
 * Makes a pipeline from a saved state.
 *
 * @param state What `pipeline.state` was; arrays of any kind.
 * @returns A pipeline that transforms as the saved one did.
 * @throws {TypeError} The method is unknown or an array is missing.
 * @throws {RangeError} An array has a wrong length or a number that is not finite.
 */
export function restorePipeline(state: StoredPipelineState): Pipeline {
  const { method, columns } = state;
  checkMethod(method);
  if (!Number.isSafeInteger(columns) || columns < 0) {
    throw new RangeError(`Cannot restore the preprocessing: it has ${columns} columns`);
  }
  const arrays: Record<string, Float64Array> = {};
  for (const name of ["mean", "divisor", ...normMethod(method).arrays, "lower", "upper"]) {
    const stored = Object.hasOwn(state.arrays, name) ? state.arrays[name] : undefined;
    if (stored === undefined) throw new TypeError(`Cannot restore the preprocessing: "${name}" is missing`);
    const fits = name === "quantiles"
      ? columns === 0 ? stored.length === 0 : stored.length > 0 && stored.length % columns === 0
      : stored.length === columns;
    if (!fits) {
      throw new RangeError(
        `Cannot restore the preprocessing: "${name}" has ${stored.length} values for ${columns} columns`,
      );
    }
    const array = Float64Array.from(stored);
    if (!array.every(Number.isFinite)) {
      throw new RangeError(
        `Cannot restore the preprocessing: "${name}" has values that are not finite numbers`,
      );
    }
    arrays[name] = array;
  }
  return pipelineOf({ method, columns, arrays });
}

function pipelineOf(state: PipelineState): Pipeline {
  const { arrays, columns } = state;
  return {
    state,
    transform(table: Matrix, overflow: Overflow = "cell"): Matrix {
      if (table.columns !== columns) {
        throw new RangeError(`Cannot preprocess a table of ${table.columns} columns: expected ${columns}`);
      }
      const values = zeros(table.rows, columns);
      for (let j = 0; j < columns; j++) {
        const scale = { mean: arrays["mean"]![j]!, divisor: arrays["divisor"]![j]! };
        applyScale(columnOf(table, j), columnOf(values, j), scale);
      }
      normMethod(state.method).apply(values, arrays, overflow);
      for (let j = 0; j < columns; j++) {
        applyBounds(columnOf(values, j), { lower: arrays["lower"]![j]!, upper: arrays["upper"]![j]! });
      }
      return values;
    },
  };
}
