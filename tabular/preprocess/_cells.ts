/** Reads the cells of one column: numbers as numbers, or everything as strings. */

/** One column of a table. */
export type TableColumn =
  | {
    /** Its name. */
    readonly name: string;
    /** All cells are numbers or missing. */
    readonly kind: "number";
    /** The numbers; NaN where missing. */
    readonly values: Float64Array;
  }
  | {
    /** Its name. */
    readonly name: string;
    /** At least one cell is a string or a boolean. */
    readonly kind: "category";
    /** The cells' string forms; null where missing. */
    readonly values: readonly (string | null)[];
    /** The first row whose cell is not a number. */
    readonly firstText: number;
  };

/**
 * Reads a column.
 *
 * @param name Its name, for errors.
 * @param rows The number of cells.
 * @param cell Gives the cell of a row.
 */
export function readColumn(name: string, rows: number, cell: (row: number) => unknown): TableColumn {
  const numbers = new Float64Array(rows);
  for (let i = 0; i < rows; i++) {
    const value = cell(i);
    if (typeof value === "number") {
      if (value === Infinity || value === -Infinity) throw infinite(name, i, value);
      numbers[i] = value;
    } else if (value === null || value === undefined) numbers[i] = NaN;
    else return readTexts(name, rows, cell, i);
  }
  return { name, kind: "number", values: numbers };
}

function readTexts(
  name: string,
  rows: number,
  cell: (row: number) => unknown,
  firstText: number,
): TableColumn {
  const values = new Array<string | null>(rows).fill(null);
  for (let i = 0; i < rows; i++) {
    const value = cell(i);
    switch (typeof value) {
      case "string":
        values[i] = value;
        break;
      case "boolean":
        values[i] = String(value);
        break;
      case "number":
        if (value === Infinity || value === -Infinity) throw infinite(name, i, value);
        values[i] = Number.isNaN(value) ? null : String(value);
        break;
      default:
        if (value !== null && value !== undefined) throw wrongKind(name, i, value);
    }
  }
  return { name, kind: "category", values, firstText };
}

/** Says where a cell is. */
export function placeOf(name: string, row: number): string {
  return `rows[${row}], column "${name.length > 60 ? `${name.slice(0, 60)}...` : name}"`;
}

function infinite(name: string, row: number, value: number): RangeError {
  return new RangeError(
    `Cannot read the cell at ${placeOf(name, row)}: ${value} is not finite; use null for a missing value`,
  );
}

function wrongKind(name: string, row: number, value: unknown): TypeError {
  const place = placeOf(name, row);
  if (typeof value === "bigint") {
    return new TypeError(
      `Cannot read the cell at ${place}: it is a bigint; convert it with Number(...) or String(...)`,
    );
  }
  if (value instanceof Date) {
    return new TypeError(
      `Cannot read the cell at ${place}: it is a Date; convert it to a number (date.getTime()) or to a string (date.toISOString())`,
    );
  }
  const kind = typeof value === "object" ? "an object" : `a ${typeof value}`;
  return new TypeError(
    `Cannot read the cell at ${place}: expected a number, a string, a boolean or null and got ${kind}`,
  );
}
