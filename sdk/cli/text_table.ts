/** How a column of a text table is laid out. */
export type Align = "left" | "right";

/**
 * Lays out a table as text: columns padded to the same width and two spaces apart, a rule below the header.
 *
 * @param header The columns' names.
 * @param rows The cells.
 * @param align Each column's side; the first is "left" and the others "right" unless said otherwise.
 * @param length The greatest number of characters of a cell. Default 24.
 * @returns Lines, without an end of line after the last one.
 */
export function textTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  align: readonly Align[] = [],
  length = 24,
): string {
  const table = [header, ...rows].map((cells) => cells.map((text) => printable(text, length)));
  const widths = header.map((_, c) => Math.max(...table.map((cells) => width(cells[c] ?? ""))));
  const lines = table.map((cells) =>
    widths.map((size, c) => {
      const text = cells[c] ?? "";
      const space = " ".repeat(size - width(text));
      return (align[c] ?? (c === 0 ? "left" : "right")) === "left" ? text + space : space + text;
    }).join("  ").trimEnd()
  );
  lines.splice(1, 0, widths.map((size) => "─".repeat(size)).join("  "));
  return lines.join("\n");
}

/**
 * Cuts a text to a length and replaces control characters, so that no cell of a table can move the cursor.
 *
 * @param text The text.
 * @param length The greatest number of characters. Default 24.
 * @returns The text, ended by "…" where it was cut.
 */
export function printable(text: string, length = 24): string {
  const clean = [...text.slice(0, 4 * length).replace(/[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]/gu, "·")];
  return clean.length > length ? `${clean.slice(0, length - 1).join("")}…` : clean.join("");
}

function width(text: string): number {
  return [...text].length;
}
