import { parse } from "csv-parse/sync";
import { type Cell, type ColumnType, columnType, parseCell } from "./cells.ts";
import { decodeText } from "./decode_text.ts";

/** A table read from a CSV file. */
export interface CsvTable {
  /** The columns' names, from the first record. */
  columns: string[];
  /** What each column holds. */
  types: ColumnType[];
  /** The rows, each with one cell a column. */
  rows: Cell[][];
}

/** How to read a CSV file. */
export interface ReadCsvOptions {
  /**
   * The character between cells.
   *
   * @default ","
   */
  delimiter?: string;
  /** Types of columns by name, for columns that must not be guessed; names that the table lacks are ignored. */
  types?: Readonly<Record<string, ColumnType>>;
}

/**
 * Reads a table from CSV (RFC 4180) with a header record.
 *
 * Cells may be quoted, quotes inside are doubled, and a quoted cell may hold line ends. Line ends are LF, CRLF or CR;
 * a byte order mark, blank lines, and white space around a cell that is outside of quotes are dropped. An empty cell,
 * NA, N/A, NaN, nan, null and NULL are missing (`null`). A column is numeric if all its values are plain decimal numbers, and
 * boolean if all are true or false.
 *
 * @param source The text, or the bytes of the file.
 * @param options How to read it.
 * @returns The table.
 * @throws {SyntaxError} With the line number, if a record has more or fewer cells than the header, a quote is never
 * closed or stands inside an unquoted cell, a column name occurs twice, the header is missing, or a cell does not fit
 * the type asked for.
 * @example
 * ```ts
 * const { columns, rows } = readCsv("a,b\n1,x\n2,\n");
 * // columns: ["a", "b"], rows: [[1, "x"], [2, null]]
 * ```
 */
export function readCsv(source: string | Uint8Array, options: ReadCsvOptions = {}): CsvTable {
  const text = typeof source === "string" ? source : decodeText(source);
  const records = parseRecords(text, options.delimiter ?? ",");
  const columns = header(records);
  const types = columns.map((name, i) => ownType(options.types, name) ?? columnType(records, i));
  const rows = records as Cell[][];
  for (let r = 0; r < rows.length; r++) {
    const row = rows[r] as Cell[];
    for (let c = 0; c < types.length; c++) {
      const type = types[c] as ColumnType;
      const cell = parseCell(row[c] as string, type);
      if (cell === undefined) throw misfit(columns[c] as string, type, row[c] as string, r);
      row[c] = cell;
    }
  }
  return { columns, types, rows };
}

/** Takes the header off the records and checks it; unnamed columns are called "column 1", "column 2" and so on. */
function header(records: string[][]): string[] {
  const first = records.shift();
  if (!first) throw new SyntaxError("Cannot read CSV: the header on line 1 is missing");
  const columns = first.map((name, i) => name === "" ? `column ${i + 1}` : name);
  const seen = new Set<string>();
  for (const name of columns) {
    if (seen.has(name)) {
      throw new SyntaxError(`Cannot read CSV: the header on line 1 names column "${shorten(name)}" twice`);
    }
    seen.add(name);
  }
  return columns;
}

function parseRecords(text: string, delimiter: string): string[][] {
  try {
    return parse(text, {
      bom: true,
      delimiter,
      record_delimiter: ["\r\n", "\n", "\r"],
      skip_empty_lines: true,
      trim: true,
    }) as string[][];
  } catch (cause) {
    throw new SyntaxError(`Cannot read CSV: ${explain(text, cause as ParserError)}`, { cause });
  }
}

interface ParserError {
  code?: string;
  bytes?: number;
  record?: unknown[];
  message: string;
}

function explain(text: string, error: ParserError): string {
  const line = `line ${lineOf(text, error)}`;
  switch (error.code) {
    case RAGGED: {
      const wanted = /expect (\d+)/.exec(error.message)?.[1];
      return `${line} has ${cells(error.record?.length)} but the header has ${
        cells(wanted && Number(wanted))
      }`;
    }
    case "CSV_QUOTE_NOT_CLOSED":
      return `a quote of the record that starts on ${line} is never closed`;
    case "INVALID_OPENING_QUOTE":
      return `${line} has a quote inside a cell that is not quoted; quote the cell and double the quote`;
    case "CSV_INVALID_CLOSING_QUOTE":
      return `${line} has text after a closing quote; double the quotes inside a cell`;
    default:
      return `${line} does not parse (${error.message})`;
  }
}

const RAGGED = "CSV_RECORD_INCONSISTENT_FIELDS_LENGTH";

/**
 * The line of the record that failed: its last one where it is ragged, else its first one. The parser's own count is
 * not used, because it counts a CRLF inside quotes twice.
 */
function lineOf(text: string, error: ParserError): number {
  const bytes = new TextEncoder().encode(text);
  let end = error.bytes ?? 0;
  const isEnd = (i: number): boolean => bytes[i] === LF || bytes[i] === CR;
  if (error.code === RAGGED) {
    while (isEnd(end - 1)) end--;
  } else {
    while (isEnd(end)) end++;
  }
  let line = 1;
  for (let i = 0; i < end; i++) {
    if (bytes[i] === LF || (bytes[i] === CR && bytes[i + 1] !== LF)) line++;
  }
  return line;
}

const LF = 10;
const CR = 13;

function cells(count: number | string | undefined): string {
  return count === 1 ? "1 cell" : `${count ?? "other"} cells`;
}

function ownType(types: ReadCsvOptions["types"], name: string): ColumnType | undefined {
  return types && Object.hasOwn(types, name) ? types[name] : undefined;
}

function misfit(column: string, type: ColumnType, text: string, row: number): SyntaxError {
  const wanted = type === "number" ? "a number" : "true or false";
  return new SyntaxError(
    `Cannot read CSV: column "${shorten(column)}" wants ${wanted} but row ${row + 1} after the header has ` +
      `"${shorten(text)}"`,
  );
}

function shorten(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}...` : text;
}
