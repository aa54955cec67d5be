/**
 * Pictures of plans.
 *
 * @module
 */
import type { Coverage } from "./coverage.ts";

/** What a picture shows. */
export interface DrawOptions {
  /** The head. @default 0 */
  readonly head?: number;
  /** Most cells to a side. @default 64 in a drawing, 48 in text */
  readonly size?: number;
  /** A line above the picture. @default sizes and density */
  readonly title?: string;
}

/** Side of the area that is drawn, in pixels. */
const SIDE = 512;
const MARGIN = { top: 44, right: 16, bottom: 16, left: 40 };
const SHADES = [" ", "░", "▒", "▓", "█"];

/** Draws a raster as SVG: the darker a cell, the more of its pairs are computed. */
export function drawSvg({ rows, cols, cells }: Coverage, title: string): string {
  // One path of each shade, in units of cells: runs of cells of a row are one rectangle.
  const paths = new Map<string, string[]>();
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < cols;) {
      const level = levelOf(cells[r * cols + c]!);
      let end = c + 1;
      while (end < cols && levelOf(cells[r * cols + end]!) === level) end++;
      if (level !== "none") {
        paths.set(level, [...paths.get(level) ?? [], `M${c} ${r}h${end - c}v1h${c - end}z`]);
      }
      c = end;
    }
  }
  const shades = Array.from(paths, ([level, runs]) => `<path class="${level}" d="${runs.join("")}"/>`);
  const cell = `translate(${MARGIN.left} ${MARGIN.top}) scale(${px(SIDE / cols)} ${px(SIDE / rows)})`;
  const [width, height] = [SIDE + MARGIN.left + MARGIN.right, SIDE + MARGIN.top + MARGIN.bottom];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${
    escapeXml(title)
  }">
<style>
svg { background: #fff; --ink: #1f2430; --fill: #2858c4; --empty: #eef1f6 }
@media (prefers-color-scheme: dark) { svg { background: #14171d; --ink: #d7dbe4; --fill: #7aa2ff; --empty: #22262f } }
text { fill: var(--ink); font: 13px system-ui, sans-serif }
path { shape-rendering: crispEdges; fill: var(--fill) }
.l0 { fill: var(--empty) } .l1 { fill-opacity: .25 } .l2 { fill-opacity: .5 } .l3 { fill-opacity: .75 }
</style>
<text x="${MARGIN.left}" y="18" font-weight="600">${escapeXml(title)}</text>
<text x="${MARGIN.left}" y="${MARGIN.top - 6}" font-size="11">keys →</text>
<text transform="translate(${MARGIN.left - 8} ${MARGIN.top + 52}) rotate(-90)" font-size="11">← queries</text>
<g transform="${cell}">
${shades.join("\n")}
</g>
</svg>
`;
}

/** Draws a raster as lines of text; two columns of it to a row, as characters are twice as high as wide. */
export function drawText({ rows, cols, cells }: Coverage, title: string): string {
  const lines = [title];
  for (let r = 0; r < rows; r += 2) {
    let line = "";
    for (let c = 0; c < cols; c++) {
      const pair = [cells[r * cols + c]!, ...(r + 1 < rows ? [cells[(r + 1) * cols + c]!] : [])]
        .filter((cell) => !Number.isNaN(cell));
      if (pair.length === 0) line += " ";
      else {
        const mean = pair.reduce((sum, cell) => sum + cell, 0) / pair.length;
        line += mean === 0 ? "·" : SHADES[Math.max(1, Math.round(mean * 4))];
      }
    }
    lines.push(line.trimEnd());
  }
  return `${lines.join("\n")}\n`;
}

function levelOf(cell: number): string {
  return Number.isNaN(cell) ? "none" : `l${cell === 0 ? 0 : Math.max(1, Math.round(cell * 4))}`;
}

function px(value: number): string {
  return String(Math.round(value * 1e4) / 1e4);
}

/** A text inside SVG. */
export function escapeXml(text: string): string {
  return text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
}
