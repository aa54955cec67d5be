/**
 * Reading and writing tables as CSV.
 *
 * @module
 */

export type { Cell, ColumnType } from "./cells.ts";
export { type CsvTable, readCsv, type ReadCsvOptions } from "./read_csv.ts";
export { writeCsv } from "./write_csv.ts";
