/**
 * Tables as callers have them (rows of arrays, rows of objects, columns), turned into named columns.
 *
 * @module
 */

import { readColumn, type TableColumn } from "./_cells.ts";

export type { TableColumn } from "./_cells.ts";

/** A cell. `null`, `undefined` and NaN are missing values; `bigint` and `Date` are refused with advice. */
export type Cell = number | string | boolean | null | undefined | bigint | Date;

/** Numbers in a typed array. */
export type NumberArray =
  | Float64Array
  | Float32Array
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array;

/** A row without names, or a column. */
export type CellList = readonly Cell[] | NumberArray;

/** A table: rows of arrays (columns known by place), rows of objects, or columns by name. */
export type TableInput =
  | readonly CellList[]
  | readonly Readonly<Record<string, Cell>>[]
  | Readonly<Record<string, CellList>>;

/** Named columns of equal length. */
export interface Table {
  /** The number of rows. */
  readonly rows: number;
  /** False when the columns are known by place only; their names are then "0", "1", .... */
  readonly named: boolean;
  /** The columns. */
  readonly columns: readonly TableColumn[];
}

/** How a table is read. */
export interface TableOptions {
  /** Names of the columns of rows given as arrays. */
  columns?: readonly string[];
}

/**
 * Reads a table. Objects may leave out keys: such a cell is missing.
 *
 * @param input The table, at least one row and one column.
 * @param options See `TableOptions`.
 * @returns Its columns; numbers as Float64Array (NaN where missing), all others as strings (null where missing).
 * @throws {TypeError} A row or a cell is of the wrong kind.
 * @throws {RangeError} The table is empty or ragged, a name comes twice, or a number is infinite.
 */
export function readTable(input: TableInput, options: TableOptions = {}): Table {
  if (isList(input)) {
    const first: unknown = input[0];
    if (input.length === 0) throw new RangeError("Cannot read the table: it has no rows");
    if (isList(first)) return readArrayRows(input as readonly CellList[], options.columns);
    if (isRecord(first)) return readObjectRows(input as readonly Record<string, Cell>[]);
    throw rowError(0, first);
  }
  if (isRecord(input)) return readColumns(input as Record<string, CellList>);
  throw new TypeError(
    `Cannot read the table: expected an array of rows or an object of columns and got ${kindOf(input)}`,
  );
}

function readArrayRows(rows: readonly CellList[], given: readonly string[] | undefined): Table {
  const width = given?.length ?? rows[0]!.length;
  for (let i = 0; i < rows.length; i++) {
    const row: unknown = rows[i];
    if (!isList(row)) throw rowError(i, row);
    if (row.length !== width) {
      const wanted = given === undefined
        ? `expected ${width} as in rows[0]`
        : `expected ${width}, one per column name`;
      throw new RangeError(`Cannot read the table: rows[${i}] has ${row.length} cells, ${wanted}`);
    }
  }
  const names = given ?? Array.from({ length: width }, (_, j) => String(j));
  checkNames(names);
  const columns = names.map((name, j) => readColumn(name, rows.length, (i) => rows[i]![j]));
  return { rows: rows.length, named: given !== undefined, columns };
}

function readObjectRows(rows: readonly Readonly<Record<string, Cell>>[]): Table {
  const names = new Set<string>();
  for (let i = 0; i < rows.length; i++) {
    const row: unknown = rows[i];
    if (!isRecord(row)) throw rowError(i, row);
    for (const name of Object.keys(row)) names.add(name);
  }
  checkNames([...names]);
  const columns = [...names].map((name) =>
    readColumn(name, rows.length, (i) => {
      const cell: unknown = rows[i]![name];
      // A name such as "constructor" must not reach the prototype.
      const inherited = cell !== null && (typeof cell === "object" || typeof cell === "function") &&
        !Object.hasOwn(rows[i]!, name);
      return inherited ? undefined : cell;
    })
  );
  return { rows: rows.length, named: true, columns };
}

function readColumns(input: Readonly<Record<string, CellList>>): Table {
  const names = Object.keys(input);
  checkNames(names);
  const rows = input[names[0]!]?.length ?? 0;
  for (const name of names) {
    const values: unknown = input[name];
    if (!isList(values)) {
      throw new TypeError(`Cannot read column "${short(name)}": expected an array and got ${kindOf(values)}`);
    }
    if (values.length !== rows) {
      throw new RangeError(
        `Cannot read the table: column "${
          short(name)
        }" has ${values.length} cells, expected ${rows} as in column "${short(names[0]!)}"`,
      );
    }
  }
  if (rows === 0) throw new RangeError("Cannot read the table: it has no rows");
  const columns = names.map((name) => readColumn(name, rows, (i) => input[name]![i]));
  return { rows, named: true, columns };
}

/**
 * Puts a table's columns in the order of the table that was fitted.
 *
 * @param table The table to predict.
 * @param names The fitted columns' names.
 * @param named Whether these are real names; without, columns are taken by place.
 * @returns The columns in fitted order.
 * @throws {RangeError} Columns are missing or extra. @throws {TypeError} Named columns came, but the fitted ones have no names.
 */
export function alignColumns(table: Table, names: readonly string[], named: boolean): TableColumn[] {
  if (!named && table.named) {
    throw new TypeError(
      "Cannot match the columns: the fitted table has none but their places, and this one has names; give rows as arrays",
    );
  }
  if (!table.named) {
    if (table.columns.length !== names.length) {
      throw new RangeError(
        `Cannot match the columns: the rows have ${table.columns.length} cells, expected ${names.length}`,
      );
    }
    return [...table.columns];
  }
  const byName = new Map(table.columns.map((column) => [column.name, column]));
  const missing = names.filter((name) => !byName.has(name));
  const known = new Set(names);
  const extra = table.columns.map((column) => column.name).filter((name) => !known.has(name));
  if (missing.length + extra.length > 0) {
    const parts = [
      missing.length > 0 ? `missing ${quoteAll(missing)} (give null where a value is unknown)` : "",
      extra.length > 0 ? `not in the fitted table ${quoteAll(extra)}` : "",
    ];
    throw new RangeError(`Cannot match the columns: ${parts.filter((part) => part !== "").join("; ")}`);
  }
  return names.map((name) => byName.get(name)!);
}

function checkNames(names: readonly string[]): void {
  if (names.length === 0) throw new RangeError("Cannot read the table: it has no columns");
  const seen = new Set<string>();
  for (const name of names) {
    if (seen.has(name)) {
      throw new RangeError(`Cannot read the table: the column name "${short(name)}" comes twice; rename one`);
    }
    seen.add(name);
  }
}

function rowError(index: number, row: unknown): TypeError {
  return new TypeError(
    `Cannot read the table: rows[${index}] is ${
      kindOf(row)
    }, expected an array or an object, the same kind for all rows`,
  );
}

function isList(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !isList(value) && !(value instanceof Date) &&
    !(value instanceof Map) && !(value instanceof DataView) && !(value instanceof ArrayBuffer);
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (isList(value)) return "an array";
  if (typeof value === "object") return `an object (${value.constructor?.name ?? "no prototype"})`;
  return value === undefined ? "undefined" : `a ${typeof value}`;
}

function quoteAll(names: readonly string[]): string {
  const shown = names.slice(0, 5).map((name) => `"${short(name)}"`).join(", ");
  return names.length > 5 ? `${shown} and ${names.length - 5} more` : shown;
}

/** A name that fits in a message. */
function short(name: string): string {
  return name.length > 60 ? `${name.slice(0, 60)}...` : name;
}
