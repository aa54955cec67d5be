import * as v from "valibot";
import { ApiError } from "./api_error.ts";
import type { Limits } from "./limits.ts";

/** A value of a table; `null` is missing. */
export type Cell = string | number | boolean | null;

/** A class. */
export type Label = string | number | boolean;

/** A table to learn and a table to predict, column by column. */
export interface PredictRequest {
  /** The features of the rows to learn. */
  train: Record<string, Cell[]>;
  /** The class of each row to learn. */
  labels: Label[];
  /** The features of the rows to predict. */
  rows: Record<string, Cell[]>;
}

type Row = Readonly<Record<string, unknown>>;

const isRow = (value: unknown): value is Row =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * Checks the body of a prediction request and turns its rows into columns. A key that a row lacks is a missing value.
 *
 * @param body The body, parsed.
 * @param limits How large it may be.
 * @returns The tables.
 * @throws {ApiError} 400 if the body has another shape, 413 if a table is too large, 422 if the tables do not fit.
 */
export function readPredictRequest(body: unknown, limits: Limits): PredictRequest {
  const { train, target, rows } = checkShape(body);
  for (
    const [name, table, most] of [["train", train, limits.trainRows], ["rows", rows, limits.rows]] as const
  ) {
    if (table.length > most) {
      throw new ApiError(
        413,
        "too_many_rows",
        `"${name}" has ${table.length} rows, at most ${most} are allowed`,
        {
          param: name,
        },
      );
    }
  }
  const names = featuresOf(train, target, limits.columns);
  const labels = train.map((row, i) => labelOf(row, target, i));
  const classes = new Set(labels).size;
  if (classes > limits.classes) {
    throw new ApiError(
      413,
      "too_many_classes",
      `The target has ${classes} classes, at most ${limits.classes} are allowed`,
      {
        param: "target",
      },
    );
  }
  const known = new Set(names).add(target);
  rows.forEach((row, i) => {
    for (const name of Object.keys(row)) {
      if (!known.has(name)) {
        throw new ApiError(422, "unknown_column", `"rows" has a column that "train" lacks: ${quote(name)}`, {
          param: `rows[${i}]`,
        });
      }
    }
  });
  return { train: toColumns("train", train, names), labels, rows: toColumns("rows", rows, names) };
}

const Table = v.array(
  v.custom<Row>(isRow, "expected an object with a value for each column"),
  "expected a list of rows",
);
const Body = v.strictObject({
  train: v.pipe(Table, v.minLength(1, "expected at least one row")),
  target: v.string("expected the name of a column"),
  rows: v.pipe(Table, v.minLength(1, "expected at least one row")),
}, "expected an object with train, target and rows");

function checkShape(body: unknown): v.InferOutput<typeof Body> {
  const result = v.safeParse(Body, body, { abortEarly: true });
  if (result.success) return result.output;
  const issue = result.issues[0];
  const path = (issue.path ?? []).map(({ key }) => typeof key === "number" ? `[${key}]` : `.${String(key)}`)
    .join("");
  const param = path.slice(1, 81);
  throw new ApiError(
    400,
    "invalid_body",
    param ? `${quote(param)}: ${issue.message}` : `The body: ${issue.message}`,
    {
      ...(param && { param }),
    },
  );
}

function featuresOf(train: readonly Row[], target: string, most: number): string[] {
  const names = new Set<string>();
  for (const row of train) {
    for (const name of Object.keys(row)) names.add(name);
    if (names.size > most + 1) {
      throw new ApiError(413, "too_many_columns", `"train" has more than ${most} features`, {
        param: "train",
      });
    }
  }
  if (!names.delete(target)) {
    throw new ApiError(422, "unknown_target", `No row of "train" has the target ${quote(target)}`, {
      param: "target",
    });
  }
  if (names.size === 0) {
    throw new ApiError(422, "no_features", `"train" has no column besides the target ${quote(target)}`, {
      param: "train",
    });
  }
  if (names.size > most) {
    throw new ApiError(413, "too_many_columns", `"train" has more than ${most} features`, { param: "train" });
  }
  return [...names];
}

function labelOf(row: Row, target: string, index: number): Label {
  const label = Object.hasOwn(row, target) ? row[target] : null;
  if (typeof label === "string" || typeof label === "number" || typeof label === "boolean") return label;
  throw new ApiError(
    422,
    "missing_target",
    `Row ${index} of "train" has no text, number or boolean as its target`,
    {
      param: `train[${index}]`,
    },
  );
}

function toColumns(table: string, rows: readonly Row[], names: readonly string[]): Record<string, Cell[]> {
  const columns = names.map((name) => {
    const cells = rows.map((row, i): Cell => {
      const cell = Object.hasOwn(row, name) ? row[name] : null;
      if (
        cell === null || typeof cell === "string" || typeof cell === "number" || typeof cell === "boolean"
      ) return cell;
      throw new ApiError(400, "invalid_cell", `${quote(name)} must be a text, a number, a boolean or null`, {
        param: `${table}[${i}]`,
      });
    });
    return [name, cells] as const;
  });
  return Object.fromEntries(columns);
}

function quote(name: string): string {
  return JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}...` : name);
}
