/**
 * Tables of numbers, strings and booleans as numbers alone: what the classifier does with its input.
 *
 * A column of numbers and missing values stays a column of numbers; missing ones become the training mean. A column with any string
 * or boolean is categorical: a cell becomes the index of its value among the sorted distinct training values (by code point;
 * false before true), and -1 when it is missing or was not seen in training. In such a column numbers count by their string form, so
 * 1 and "1" are one value. Columns without any training value are dropped. Categorical columns come first, then numeric ones.
 *
 * @module
 */

import { placeOf } from "./_cells.ts";
import { categoryCodes, distinctSorted, fillMissing, meanOfPresent } from "./columns.ts";
import { columnOf, type Matrix, zeros } from "./matrix.ts";
import { alignColumns, readTable, type TableColumn, type TableInput, type TableOptions } from "./table.ts";

/** What is remembered of one column of the fitted table. */
export type ColumnCode =
  | { readonly name: string; readonly kind: "number"; readonly mean: number }
  | { readonly name: string; readonly kind: "category"; readonly categories: readonly string[] }
  | { readonly name: string; readonly kind: "dropped" };

/** All that a fitted encoder knows: plain data that survives JSON. */
export interface EncoderState {
  /** False when columns are known by place only. */
  readonly named: boolean;
  /** One entry per column of the fitted table, in its order. */
  readonly columns: readonly ColumnCode[];
}

/** A fitted encoder. */
export interface Encoder {
  /** What it knows; give it to `restoreEncoder`. */
  readonly state: EncoderState;
  /** The names of the encoded columns, in their order. */
  readonly outputNames: readonly string[];
  /**
   * Encodes a table.
   *
   * @param input Rows or columns as in training; named columns may come in another order.
   * @param options See `TableOptions`.
   * @returns Numbers without gaps, categorical columns first.
   * @throws {TypeError} A cell or the table is of the wrong kind. @throws {RangeError} Columns do not match, or a number is infinite.
   */
  encode(input: TableInput, options?: TableOptions): Matrix;
}

/**
 * Fits an encoder on a training table and encodes it.
 *
 * @param input The training table.
 * @param options See `TableOptions`.
 * @returns The encoder and the encoded training table. It has no columns if no cell of the table has a value.
 * @throws {TypeError} A cell or the table is of the wrong kind. @throws {RangeError} The table is empty or ragged, or a number is infinite.
 */
export function fitEncoder(
  input: TableInput,
  options: TableOptions = {},
): { encoder: Encoder; values: Matrix } {
  const table = readTable(input, options);
  const state = { named: table.named, columns: table.columns.map(fitColumn) };
  return { encoder: encoderOf(state), values: encodeColumns(table.rows, table.columns, state.columns) };
}

/**
 * Makes an encoder from a saved state.
 *
 * @param state What `encoder.state` was.
 * @returns An encoder that encodes as the saved one did.
 * @throws {TypeError} The state is not an encoder's.
 */
export function restoreEncoder(state: EncoderState): Encoder {
  const isSound = typeof state?.named === "boolean" && Array.isArray(state.columns) &&
    state.columns.every(isColumnCode);
  if (!isSound) throw new TypeError("Cannot restore the encoder: its state is not what an encoder saves");
  return encoderOf(state);
}

function encoderOf(state: EncoderState): Encoder {
  const names = state.columns.map((column) => column.name);
  return {
    state,
    outputNames: outputOrder(state.columns).map((index) => names[index]!),
    encode(input: TableInput, options: TableOptions = {}): Matrix {
      const table = readTable(input, options);
      return encodeColumns(table.rows, alignColumns(table, names, state.named), state.columns);
    },
  };
}

function fitColumn(column: TableColumn): ColumnCode {
  const { name } = column;
  if (column.kind === "category") {
    return { name, kind: "category", categories: distinctSorted(column.values) };
  }
  const mean = meanOfPresent(column.values);
  return mean === undefined ? { name, kind: "dropped" } : { name, kind: "number", mean };
}

function outputOrder(codes: readonly ColumnCode[]): number[] {
  const indices = (kind: ColumnCode["kind"]) =>
    codes.flatMap((code, index) => code.kind === kind ? [index] : []);
  return [...indices("category"), ...indices("number")];
}

function encodeColumns(rows: number, columns: readonly TableColumn[], codes: readonly ColumnCode[]): Matrix {
  const order = outputOrder(codes);
  const result = zeros(rows, order.length);
  order.forEach((index, to) => {
    const column = columns[index]!;
    const code = codes[index]!;
    const target = columnOf(result, to);
    if (code.kind === "category") {
      const texts = column.kind === "category" ? column.values : numberTexts(column.values);
      categoryCodes(texts, code.categories, target);
    } else if (code.kind === "number") {
      if (column.kind === "category") throw notNumeric(code.name, column);
      target.set(column.values);
      fillMissing(target, code.mean);
    }
  });
  return result;
}

function numberTexts(values: Float64Array): (string | null)[] {
  return Array.from(values, (value) => Number.isNaN(value) ? null : String(value));
}

function notNumeric(name: string, column: TableColumn & { kind: "category" }): TypeError {
  const text = column.values[column.firstText] ?? "";
  const shown = text.length > 40 ? `${text.slice(0, 40)}...` : text;
  return new TypeError(
    `Cannot read the cell at ${
      placeOf(name, column.firstText)
    }: "${shown}" is not a number, but the fitted column has numbers only`,
  );
}

function isColumnCode(code: ColumnCode): boolean {
  if (typeof code?.name !== "string") return false;
  if (code.kind === "dropped") return true;
  if (code.kind === "number") return Number.isFinite(code.mean);
  return code.kind === "category" && Array.isArray(code.categories) &&
    code.categories.every((value) => typeof value === "string");
}
