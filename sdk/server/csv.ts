/**
 * CSV for the handler: `createHandler({ csv: csvBodies })`.
 *
 * @module
 */
import { decodeText } from "../csv/decode_text.ts";
import { readCsv, writeCsv } from "../csv/mod.ts";
import type { Cell, ColumnType } from "./tables.ts";

/** A table as CSV has it. */
export interface CsvTable {
  /** The columns' names. */
  readonly columns: readonly string[];
  /** The rows, each with one cell a column. */
  readonly rows: readonly (readonly Cell[])[];
}

/** How a table is read. */
export interface CsvReading {
  /** Types of columns by name; those of others are found. */
  readonly types?: Readonly<Record<string, ColumnType>>;
  /** The most columns. */
  readonly maxColumns: number;
  /** The most rows. */
  readonly maxRows: number;
}

/** Reads and writes CSV for the handler; given to it by those who want it. */
export interface CsvBodies {
  /**
   * Reads a table.
   *
   * @throws {SyntaxError} If the text does not parse. @throws {RangeError} If it is too large.
   */
  read(bytes: Uint8Array, options: CsvReading): CsvTable;
  /** Writes a table. */
  write(table: CsvTable): string;
}

/** Tables may come and go as CSV (RFC 4180) with a header. */
export const csvBodies: CsvBodies = {
  read(bytes, { types = {}, maxColumns, maxRows }) {
    const text = decodeText(bytes);
    checkSize(text, maxColumns, maxRows);
    return readCsv(text, { types });
  },
  write: writeCsv,
};

const QUOTE = 34;
const COMMA = 44;
const LF = 10;
const CR = 13;

/** Counts cells and records before they are made: a few megabytes can ask for millions of them. */
function checkSize(text: string, maxColumns: number, maxRows: number): void {
  let quoted = false;
  let columns = 1;
  let records = 0;
  let blank = true;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) quoted = !quoted;
    if (quoted) continue;
    if (code === COMMA && ++columns > maxColumns) {
      throw new RangeError(`Cannot read CSV: a line has more than ${maxColumns} cells`);
    }
    if (code !== LF && code !== CR) {
      blank = false;
      continue;
    }
    if (!blank && ++records > maxRows + 1) {
      throw new RangeError(`Cannot read CSV: it has more than ${maxRows} rows`);
    }
    columns = 1;
    blank = true;
  }
  if (!blank && records > maxRows) throw new RangeError(`Cannot read CSV: it has more than ${maxRows} rows`);
}
