/**
 * Data frames with dtypes as numbers, exactly as the official code does it (SPEC 7.1). Golden files replay through this; tables of
 * callers go through `encode.ts`, which differs in three points: boolean columns are kept, a None is a missing value like any
 * other, and a column's kind comes from its cells.
 *
 * @module
 */

import { compareCodePoints } from "./code_points.ts";
import { categoryCodes, fillMissing, meanOfPresent } from "./columns.ts";
import { columnOf, type Matrix, zeros } from "./matrix.ts";

/** A value of a frame; null where missing. */
export type FrameValue = string | number | boolean | null;

/** One column of a data frame, as golden files record it. */
export interface FrameColumn {
  /** Its name. */
  readonly name: string;
  /** Its pandas dtype: "str", "object", "category", "boolean", "bool", "float64", "int64", .... */
  readonly dtype: string;
  /** Its values. */
  readonly values: readonly FrameValue[];
  /** Whether a null stands for Python's None or for NaN (or NA). */
  readonly missing_kind: "None" | "NaN";
}

/** A fitted frame encoder. */
export interface FrameEncoder {
  /** The columns in encoded order, with those that are numeric but all missing. */
  readonly columnOrder: readonly string[];
  /** The columns that leave no trace: of other dtypes, or numeric and all missing. */
  readonly dropped: readonly string[];
  /** Sorted training values per categorical column; null at the end if values were missing. */
  readonly categories: Readonly<Record<string, readonly FrameValue[]>>;
  /** The mean per numeric column; null where all values were missing. */
  readonly imputerMeans: readonly (number | null)[];
  /**
   * Encodes a frame; columns are found by name.
   *
   * @throws {RangeError} A column is missing or has another length than the first.
   */
  encode(frame: readonly FrameColumn[]): Matrix;
}

const CATEGORICAL = /^(str|string|object|category|boolean)/;
const NUMERIC = /^u?(int|float)\d*$/i;

interface CategoricalCode {
  name: string;
  categories: FrameValue[];
  /** The code of Python's None, if it was seen as a value of its own. */
  noneCode: number | undefined;
  hadMissing: boolean;
}

/**
 * Fits an encoder on a training frame.
 *
 * @param train The columns, in frame order.
 * @returns The encoder.
 */
export function fitFrame(train: readonly FrameColumn[]): FrameEncoder {
  const categorical = train.filter((column) => CATEGORICAL.test(column.dtype)).map(fitCategories);
  const numeric = train.filter((column) => NUMERIC.test(column.dtype))
    .map((column) => ({ name: column.name, mean: meanOfPresent(numbersOf(column)) }));
  const kept = numeric.filter((column) => column.mean !== undefined) as { name: string; mean: number }[];
  const encoded = new Set([...categorical, ...kept].map((column) => column.name));

  return {
    columnOrder: [...categorical, ...numeric].map((column) => column.name),
    dropped: train.map((column) => column.name).filter((name) => !encoded.has(name)),
    categories: Object.fromEntries(
      categorical.map((
        { name, categories, hadMissing },
      ) => [name, hadMissing ? [...categories, null] : categories]),
    ),
    imputerMeans: numeric.map((column) => column.mean ?? null),
    encode(frame: readonly FrameColumn[]): Matrix {
      const rows = frame[0]?.values.length ?? 0;
      const byName = new Map(frame.map((column) => [column.name, column]));
      const find = (name: string): FrameColumn => {
        const column = byName.get(name);
        if (column === undefined) {
          throw new RangeError(`Cannot encode the frame: column "${name}" is missing`);
        }
        if (column.values.length !== rows) {
          throw new RangeError(
            `Cannot encode the frame: column "${name}" has ${column.values.length} values, expected ${rows}`,
          );
        }
        return column;
      };
      const result = zeros(rows, categorical.length + kept.length);
      categorical.forEach((code, j) => encodeCategories(find(code.name), code, columnOf(result, j)));
      kept.forEach(({ name, mean }, j) => {
        const target = columnOf(result, categorical.length + j);
        target.set(numbersOf(find(name)));
        fillMissing(target, mean);
      });
      return result;
    },
  };
}

function fitCategories(column: FrameColumn): CategoricalCode {
  const distinct = new Set(column.values);
  const hadMissing = distinct.delete(null);
  const categories = [...distinct].sort(compareValues);
  const noneIsValue = hadMissing && column.dtype === "object" && column.missing_kind === "None";
  return { name: column.name, categories, hadMissing, noneCode: noneIsValue ? categories.length : undefined };
}

function encodeCategories(column: FrameColumn, code: CategoricalCode, target: Float64Array): void {
  categoryCodes(column.values, code.categories, target);
  if (code.noneCode === undefined || column.missing_kind !== "None") return;
  for (let i = 0; i < target.length; i++) if (column.values[i] === null) target[i] = code.noneCode;
}

/** Numbers (and false < true) by size, strings by code point, numbers before strings. */
function compareValues(a: FrameValue, b: FrameValue): number {
  if (typeof a === "string" && typeof b === "string") return compareCodePoints(a, b);
  if (typeof a === "string") return 1;
  return typeof b === "string" ? -1 : Number(a) - Number(b);
}

function numbersOf(column: FrameColumn): Float64Array {
  return Float64Array.from(column.values, (value) => value === null ? NaN : Number(value));
}
