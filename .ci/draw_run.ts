/**
 * Draws a real run of `deno task predict` as `examples/run.svg`, the picture in the README.
 *
 * @module
 */

import { writeFileSync } from "node:fs";
import process from "node:process";
import { deno, root, run } from "./command.ts";

const ARGUMENTS = ["examples/data/iris.csv", "--target", "species"];
const CHARACTER = 8.43;
const LINE = 20;
const MARGIN = 20;
const BAR = 34;

const escape = (text: string): string => text.replace(/[&<>]/g, (c) => `&#${c.charCodeAt(0)};`);

/** The colour of a line: the command and what matters most stand out. */
function colour(line: string, index: number): string {
  if (index === 0) return "#7ee787";
  if (/^(Accuracy|Log-loss)/.test(line)) return "#f2cc60";
  return /^[─ ]+$/.test(line) ? "#6e7681" : "#e6edf3";
}

/**
 * Draws lines of text as a terminal.
 *
 * @param lines The lines.
 * @param title What the picture shows, for those who cannot see it.
 * @returns The SVG.
 */
export function drawTerminal(lines: readonly string[], title: string): string {
  const width = Math.ceil(Math.max(...lines.map((line) => [...line].length)) * CHARACTER + 2 * MARGIN);
  const height = BAR + lines.length * LINE + MARGIN;
  const dots = ["#ff5f57", "#febc2e", "#28c840"].map((fill, i) =>
    `<circle cx="${MARGIN + i * 18}" cy="17" r="5.5" fill="${fill}"/>`
  );
  const texts = lines.map((line, i) =>
    line === ""
      ? ""
      : `<text x="${MARGIN}" y="${BAR + LINE * (i + 0.8)}" fill="${colour(line, i)}" xml:space="preserve">${
        escape(line)
      }</text>`
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">`,
    `<title>${escape(title)}</title>`,
    `<rect width="${width}" height="${height}" rx="8" fill="#0d1117"/>`,
    ...dots,
    `<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="14">`,
    ...texts.filter((text) => text !== ""),
    "</g>",
    "</svg>",
    "",
  ].join("\n");
}

if (import.meta.main) {
  const { code, output } = await run([deno, "run", "-A", "sdk/cli/main.ts", ...ARGUMENTS], {
    // Without it GPU drivers write a line of their own.
    env: { XDG_RUNTIME_DIR: "/tmp" },
  });
  if (code !== 0) {
    console.error(output);
    process.exit(1);
  }
  const lines = [`$ deno task predict ${ARGUMENTS.join(" ")}`, "", ...output.trimEnd().split("\n")];
  writeFileSync(
    `${root}examples/run.svg`,
    drawTerminal(lines, "A run of deno task predict on the iris table"),
  );
  console.log("Drew examples/run.svg");
}
