import * as v from "valibot";
import { ApiError } from "./api_error.ts";
import { checkShape, Rows, Target } from "./check_shape.ts";
import type { Limits } from "./limits.ts";
import {
  type Cell,
  checkRows,
  type Columns,
  type Label,
  pickFeatures,
  quote,
  type Row,
  toColumns,
  type TrainTable,
  trainTable,
} from "./tables.ts";

/** A table to learn and a table to predict, column by column. */
export interface PredictRequest {
  /** The features of the rows to learn. */
  train: Columns;
  /** The class of each row to learn. */
  labels: Label[];
  /** The features of the rows to predict. */
  rows: Columns;
  /** The column to predict. */
  target: string;
}

const PredictBody = v.strictObject(
  { train: Rows, target: Target, rows: Rows },
  "expected an object with train, target and rows",
);
const FitBody = v.strictObject({ train: Rows, target: Target }, "expected an object with train and target");
const RowsBody = v.strictObject({ rows: Rows }, "expected an object with rows");

/**
 * Checks the body of a prediction request and turns its rows into columns. A key that a row lacks is a missing value.
 *
 * @param body The body, parsed.
 * @param limits How large it may be.
 * @returns The tables.
 * @throws {ApiError} 400 if the body has another shape, 413 if a table is too large, 422 if the tables do not fit.
 */
export function readPredictRequest(body: unknown, limits: Limits): PredictRequest {
  const { train, target, rows } = checkShape(PredictBody, body);
  const table = readTrain(train, target, limits);
  return {
    train: table.features,
    labels: table.labels,
    rows: readRows(rows, table.columns.map(({ name }) => name), target, limits),
    target,
  };
}

/**
 * Checks the body of a request to learn a table.
 *
 * @param body The body, parsed.
 * @param limits How large it may be.
 * @returns The table.
 * @throws {ApiError} As `readPredictRequest` does.
 */
export function readFitRequest(body: unknown, limits: Limits): TrainTable {
  const { train, target } = checkShape(FitBody, body);
  return readTrain(train, target, limits);
}

/**
 * Checks the body of a request to predict rows with what was learned before.
 *
 * @param body The body, parsed.
 * @param names The features that were learned; `null` if they are not known, and any may come.
 * @param target The column that was predicted, which may be there and is left out.
 * @param limits How large it may be.
 * @returns The features, and the number of rows.
 * @throws {ApiError} As `readPredictRequest` does.
 */
export function readRowsRequest(
  body: unknown,
  names: readonly string[] | null,
  target: string | null,
  limits: Limits,
): { rows: Columns; count: number } {
  const { rows } = checkShape(RowsBody, body);
  return { rows: readRows(rows, names, target, limits), count: rows.length };
}

/**
 * Splits a table whose rows without a target are to be predicted.
 *
 * @param columns The columns.
 * @param target The column to predict.
 * @param limits How large each part may be.
 * @returns The tables.
 * @throws {ApiError} 413 if a table is too large, 422 if there is nothing to learn or nothing to predict.
 */
export function splitByTarget(
  columns: ReadonlyMap<string, Cell[]>,
  target: string,
  limits: Limits,
): PredictRequest {
  const labels = columns.get(target) ?? [];
  const part = (keep: (label: Cell) => boolean): Map<string, Cell[]> =>
    new Map([...columns].map(([name, cells]) => [name, cells.filter((_, i) => keep(labels[i] as Cell))]));
  const train = trainTable(part((label) => label !== null), target, limits);
  const count = labels.length - train.labels.length;
  checkRows("train", train.labels.length, limits.trainRows);
  checkRows("rows", count, limits.rows);
  if (train.labels.length === 0) throw empty("has a value", target);
  if (count === 0) throw empty("lacks a value, so there is nothing to predict,", target);
  const names = train.columns.map(({ name }) => name);
  return {
    train: train.features,
    labels: train.labels,
    rows: pickFeatures(part((label) => label === null), count, names, target),
    target,
  };
}

function empty(what: string, target: string): ApiError {
  return new ApiError(422, "missing_target", `No row ${what} in the target ${quote(target)}`, {
    param: "target",
  });
}

function readTrain(rows: readonly Row[], target: string, limits: Limits): TrainTable {
  checkRows("train", rows.length, limits.trainRows);
  return trainTable(toColumns("train", rows, limits.columns + 1), target, limits);
}

function readRows(
  rows: readonly Row[],
  names: readonly string[] | null,
  target: string | null,
  limits: Limits,
): Columns {
  checkRows("rows", rows.length, limits.rows);
  if (!names) return Object.fromEntries(toColumns("rows", rows, limits.columns));
  const known = new Set(names);
  if (target !== null) known.add(target);
  return pickFeatures(toColumns("rows", rows, known.size, known), rows.length, names, target);
}
