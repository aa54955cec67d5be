import { type Cell, type ColumnType, type CsvTable, readCsv } from "../csv/mod.ts";
import type { Dependencies, Label } from "./dependencies.ts";

/** A table with a column to predict. */
export interface Table extends CsvTable {
  /** Where it came from, for messages. */
  name: string;
  /** The target's index; -1 where the table has no such column. */
  target: number;
}

/**
 * Reads a table from a file; one that ends in ".tsv" has tabs between its cells.
 *
 * @param dependencies How to read a file.
 * @param path The file.
 * @param target The column to predict.
 * @param types Types of columns that are known already.
 * @returns The table.
 */
export async function readTable(
  dependencies: Pick<Dependencies, "readFile">,
  path: string | URL,
  target: string,
  types: Readonly<Record<string, ColumnType>> = {},
): Promise<Table> {
  const name = String(path instanceof URL ? path.pathname : path).replace(/^.*[/\\]/, "");
  const bytes = await dependencies.readFile(path);
  try {
    const table = readCsv(bytes, { types, delimiter: /\.tsv$/i.test(name) ? "\t" : "," });
    return { ...table, name, target: table.columns.indexOf(target) };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new SyntaxError(`${name}: ${error.message}`, { cause: error });
  }
}

/**
 * Picks columns and rows of a table, column by column.
 *
 * @param table The table.
 * @param columns The columns' names; all must exist.
 * @param rows The rows' indices.
 * @returns The cells of each column.
 */
export function pick(
  table: CsvTable,
  columns: readonly string[],
  rows: readonly number[],
): Record<string, Cell[]> {
  const entries = columns.map((name) => {
    const c = table.columns.indexOf(name);
    return [name, rows.map((r) => table.rows[r]?.[c] ?? null)] as const;
  });
  return Object.fromEntries(entries);
}

/**
 * The target's values of some rows, which must not be missing.
 *
 * @param table The table.
 * @param rows The rows' indices.
 * @returns The values.
 */
export function labelsOf(table: Table, rows: readonly number[]): Label[] {
  return rows.map((r) => table.rows[r]?.[table.target] as Label);
}

/**
 * Sorts a table's rows by whether the target is there.
 *
 * @param table The table.
 * @returns Indices of the rows that have the target and of those that lack it.
 */
export function byTarget(table: Table): { labelled: number[]; lacking: number[] } {
  const labelled: number[] = [];
  const lacking: number[] = [];
  table.rows.forEach((row, r) => ((row[table.target] ?? null) === null ? lacking : labelled).push(r));
  return { labelled, lacking };
}

/** Maps each column to its type, for a second table that must be read alike. */
export function typesOf(table: CsvTable): Record<string, ColumnType> {
  return Object.fromEntries(table.columns.map((name, i) => [name, table.types[i] as ColumnType]));
}

/** Quotes at most ten names for a message. */
export function quoteNames(names: readonly string[]): string {
  const shown = names.slice(0, 10).map((name) => `"${name.slice(0, 40)}"`).join(", ");
  return names.length > 10 ? `${shown} and ${names.length - 10} more` : shown;
}
