import type { Cell } from "./cells.ts";

/**
 * Writes a table as CSV: a header, one line a row, lines ended by LF, cells quoted only where they must be.
 *
 * Missing values become empty cells, so that `readCsv` gives the table back; a text that looks like another
 * type ("7", "NA") comes back as that type.
 *
 * @param table The columns' names, and the rows with one cell a column (NaN counts as missing).
 * @returns The text.
 * @throws {RangeError} If a row has more or fewer cells than there are columns.
 */
export function writeCsv(
  table: { columns: readonly string[]; rows: Iterable<readonly Cell[]> },
): string {
  const width = table.columns.length;
  const lines = [line(table.columns)];
  for (const row of table.rows) {
    if (row.length !== width) {
      throw new RangeError(
        `Cannot write CSV: row ${lines.length} has ${row.length} cells but there are ${width} columns`,
      );
    }
    lines.push(line(row));
  }
  lines.push("");
  return lines.join("\n");
}

function line(cells: readonly Cell[]): string {
  // An unquoted empty line would be skipped by readers.
  return cells.length === 1 && formatCell(cells[0] as Cell) === "" ? '""' : cells.map(formatCell).join(",");
}

function formatCell(cell: Cell): string {
  if (cell === null || Number.isNaN(cell)) return "";
  if (typeof cell !== "string") return String(cell);
  return /[",\r\n]|^\s|\s$/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}
