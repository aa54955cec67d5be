/** One value of a table: `null` is a missing value. */
export type Cell = string | number | boolean | null;

/** What a whole column of a CSV file holds. */
export type ColumnType = "number" | "boolean" | "text";

const MISSING = new Set(["", "NA", "N/A", "NaN", "nan", "null", "NULL"]);
const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const INFINITE = /^[+-]?inf(?:inity)?$/i;
const BOOLEAN = /^(?:true|false)$/i;

// A longer run of digits is a name (an account, a barcode) that a number would round.
const MAX_EXACT_DIGITS = 15;
const LONG_DIGITS = new RegExp(`^[+-]?\\d{${MAX_EXACT_DIGITS + 1},}$`);

/**
 * Says whether a cell's text stands for a missing value: the empty cell, NA, N/A, NaN, nan, null or NULL.
 *
 * @param text The cell.
 * @returns True if the value is missing.
 */
export function isMissing(text: string): boolean {
  return text.length <= 4 && MISSING.has(text);
}

/**
 * Finds the type of a column: "number" if every cell that is not missing is a plain decimal number (or inf),
 * "boolean" if every one is true or false (in any case), else "text". A column without any value is "number".
 * Whole numbers of more than 15 digits count as text, because a number would change them.
 *
 * @param rows The rows of the table, as text.
 * @param column The column's index.
 * @returns The column's type.
 */
export function columnType(rows: readonly (readonly string[])[], column: number): ColumnType {
  let number = true;
  let boolean = true;
  let values = 0;
  for (const row of rows) {
    const text = row[column] as string;
    if (isMissing(text)) continue;
    values++;
    number &&= isNumber(text);
    boolean &&= BOOLEAN.test(text);
    if (!number && !boolean) return "text";
  }
  return number || values === 0 ? "number" : "boolean";
}

/**
 * Turns a cell's text into a value of the column's type.
 *
 * @param text The cell.
 * @param type The column's type.
 * @returns The value, `null` where it is missing, or `undefined` where the text does not fit the type.
 */
export function parseCell(text: string, type: ColumnType): Cell | undefined {
  if (isMissing(text)) return null;
  if (type === "text") return text;
  if (type === "boolean") return BOOLEAN.test(text) ? text.length === 4 : undefined;
  if (!isNumber(text)) return undefined;
  return INFINITE.test(text) ? (text.startsWith("-") ? -Infinity : Infinity) : Number(text);
}

function isNumber(text: string): boolean {
  return text.length > MAX_EXACT_DIGITS && LONG_DIGITS.test(text)
    ? false
    : DECIMAL.test(text) || INFINITE.test(text);
}
