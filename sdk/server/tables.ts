import { ApiError } from "./api_error.ts";
import type { Limits } from "./limits.ts";

/** A value of a table; `null` is missing. */
export type Cell = string | number | boolean | null;

/** A class. */
export type Label = string | number | boolean;

/** A row of JSON: a value for each column. */
export type Row = Readonly<Record<string, unknown>>;

/** Columns by name, all of the same length. */
export type Columns = Record<string, Cell[]>;

/** What a column holds, as CSV would be read. */
export type ColumnType = "number" | "boolean" | "text";

/** A column of a table that was learned. */
export interface Column {
  /** Its name. */
  readonly name: string;
  /** What it holds; "text" where values are of several types. */
  readonly type: ColumnType;
}

/** A table to learn. */
export interface TrainTable {
  /** The name of the column to predict. */
  readonly target: string;
  /** The features, in their order. */
  readonly columns: readonly Column[];
  /** The values of the features. */
  readonly features: Columns;
  /** The class of each row. */
  readonly labels: Label[];
}

/**
 * Says that a table has too many rows.
 *
 * @param table What the request calls it.
 * @param rows Its rows.
 * @param most The most that are allowed.
 * @throws {ApiError} 413 if there are more.
 */
export function checkRows(table: string, rows: number, most: number): void {
  if (rows <= most) return;
  throw new ApiError(413, "too_many_rows", `"${table}" has ${rows} rows, at most ${most} are allowed`, {
    param: table,
  });
}

/**
 * Turns rows into columns. A key that a row lacks is a missing value.
 *
 * @param table What the request calls the table.
 * @param rows The rows.
 * @param most The most columns.
 * @param known The names that may occur. Default: all.
 * @returns The columns in the order in which they first occur.
 * @throws {ApiError} 400 if a cell is of the wrong kind, 413 if there are too many columns, 422 if one is not known.
 */
export function toColumns(
  table: string,
  rows: readonly Row[],
  most: number,
  known?: ReadonlySet<string>,
): Map<string, Cell[]> {
  const columns = new Map<string, Cell[]>();
  rows.forEach((row, i) => {
    for (const name of Object.keys(row)) {
      let column = columns.get(name);
      if (!column) {
        if (known && !known.has(name)) throw unknownColumn(name, `${table}[${i}]`);
        if (columns.size === most) throw tooManyColumns(table, most);
        columns.set(name, column = new Array<Cell>(rows.length).fill(null));
      }
      const cell = row[name];
      if (!isCell(cell)) {
        throw new ApiError(
          400,
          "invalid_cell",
          `${quote(name)} must be a text, a number, a boolean or null`,
          {
            param: `${table}[${i}]`,
          },
        );
      }
      column[i] = cell;
    }
  });
  return columns;
}

/**
 * Takes the column to predict out of a table.
 *
 * @param columns The columns, the target among them.
 * @param target The target's name.
 * @param limits How large the table may be.
 * @param table What the request calls it. Default "train".
 * @returns The table.
 * @throws {ApiError} 413 if there are too many columns or classes, 422 if the target or the features are missing.
 */
export function trainTable(
  columns: ReadonlyMap<string, Cell[]>,
  target: string,
  limits: Limits,
  table = "train",
): TrainTable {
  const found = columns.get(target);
  if (!found) {
    throw new ApiError(422, "unknown_target", `No row of "${table}" has the target ${quote(target)}`, {
      param: "target",
    });
  }
  const features = [...columns].filter(([name]) => name !== target);
  if (features.length === 0) {
    throw new ApiError(422, "no_features", `"${table}" has no column besides the target ${quote(target)}`, {
      param: table,
    });
  }
  if (features.length > limits.columns) throw tooManyColumns(table, limits.columns);
  const labels = found.map((label, i): Label => {
    if (label !== null) return label;
    throw new ApiError(
      422,
      "missing_target",
      `Row ${i} of "${table}" has no text, number or boolean as its target`,
      {
        param: `${table}[${i}]`,
      },
    );
  });
  const classes = new Set(labels).size;
  if (classes > limits.classes) {
    throw new ApiError(
      413,
      "too_many_classes",
      `The target has ${classes} classes, at most ${limits.classes} are allowed`,
      { param: "target" },
    );
  }
  return {
    target,
    columns: features.map(([name, cells]) => ({ name, type: typeOf(cells) })),
    features: Object.fromEntries(features),
    labels,
  };
}

/**
 * Picks the features out of a table of new rows. Those that it lacks are missing in every row.
 *
 * @param columns The columns.
 * @param rows The number of rows.
 * @param names The features that were learned.
 * @param target A column that may be there and is left out.
 * @returns The features.
 * @throws {ApiError} 422 if there is another column.
 */
export function pickFeatures(
  columns: ReadonlyMap<string, Cell[]>,
  rows: number,
  names: readonly string[],
  target: string | null,
): Columns {
  const known = new Set(names);
  for (const name of columns.keys()) {
    if (!known.has(name) && name !== target) throw unknownColumn(name, "rows");
  }
  return Object.fromEntries(
    names.map((name) => [name, columns.get(name) ?? new Array<Cell>(rows).fill(null)]),
  );
}

/**
 * Puts a name of a caller into a sentence.
 *
 * @param name The name.
 * @returns The name in quotes, shortened.
 */
export function quote(name: string): string {
  return JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}...` : name);
}

function typeOf(cells: readonly Cell[]): ColumnType {
  const kinds = new Set(cells.filter((cell) => cell !== null).map((cell) => typeof cell));
  if (kinds.size > 1 || kinds.has("string")) return "text";
  return kinds.has("boolean") ? "boolean" : "number";
}

function isCell(value: unknown): value is Cell {
  return value === null || typeof value === "string" || typeof value === "number" ||
    typeof value === "boolean";
}

function tooManyColumns(table: string, most: number): ApiError {
  return new ApiError(413, "too_many_columns", `"${table}" has more than ${most} features`, { param: table });
}

function unknownColumn(name: string, param: string): ApiError {
  return new ApiError(422, "unknown_column", `"rows" has a column that was not learned: ${quote(name)}`, {
    param,
  });
}
