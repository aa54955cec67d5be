/**
 * A plot of a comparison: recall over time, one mark per method.
 *
 * @module
 */
import { escapeXml } from "../attention/draw.ts";
import type { Comparison } from "./compare.ts";

const WIDTH = 720;
const HEIGHT = 420;
const LEFT = 64;
const RIGHT = 24;
const TOP = 52;
const BOTTOM = 52;

/** Draws recall (up) over the time of plan and attention relative to dense attention (across, logarithmic). */
export function plotComparison({ length, heads, headDim, device, denseMs, rows }: Comparison): string {
  const points = [
    { method: "dense", time: 1, recall: 1, density: 1 },
    ...rows.map((row) => ({ ...row, time: Math.max(1e-3, (row.planMs + row.attendMs) / denseMs) })),
  ];
  const times = points.map(({ time }) => time);
  const [fast, slow] = [Math.min(...times, 0.1) / 1.3, Math.max(...times, 1) * 1.3];
  const floor = Math.min(0.9, ...points.map(({ recall }) => recall)) - 0.05;
  const x = (time: number): number =>
    LEFT + (WIDTH - LEFT - RIGHT) * Math.log(time / fast) / Math.log(slow / fast);
  const y = (recall: number): number => TOP + (HEIGHT - TOP - BOTTOM) * (1 - recall) / (1 - floor);
  const parts: string[] = [];
  for (const tick of [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5].filter((t) => t > fast && t < slow)) {
    parts.push(
      `<line x1="${px(x(tick))}" y1="${TOP}" x2="${px(x(tick))}" y2="${HEIGHT - BOTTOM}"/>`,
      `<text x="${px(x(tick))}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle">${tick}x</text>`,
    );
  }
  for (
    let recall = 1;
    recall > floor;
    recall = Math.round((recall - (1 - floor > 0.4 ? 0.1 : 0.05)) * 100) / 100
  ) {
    parts.push(
      `<line x1="${LEFT}" y1="${px(y(recall))}" x2="${WIDTH - RIGHT}" y2="${px(y(recall))}"/>`,
      `<text x="${LEFT - 8}" y="${px(y(recall) + 4)}" text-anchor="end">${recall.toFixed(2)}</text>`,
    );
  }
  const taken: { x: number; y: number }[] = [];
  for (const { method, time, recall, density } of [...points].sort((a, b) => a.time - b.time)) {
    const [cx, cy] = [x(time), y(recall)];
    const right = cx < WIDTH - 150;
    let labelY = cy + 4;
    while (taken.some((other) => Math.abs(other.x - cx) < 130 && Math.abs(other.y - labelY) < 14)) {
      labelY += 14;
    }
    taken.push({ x: cx, y: labelY });
    parts.push(
      `<circle cx="${px(cx)}" cy="${px(cy)}" r="5"><title>${method}: recall ${recall.toFixed(3)}, density ${
        density.toFixed(3)
      }, ${time.toFixed(3)}x the time of dense</title></circle>`,
      `<text class="name" x="${px(cx + (right ? 9 : -9))}" y="${px(labelY)}" text-anchor="${
        right ? "start" : "end"
      }">${method}</text>`,
    );
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-label="Recall over time of sparse attention methods">
<style>
svg { background: #fff; --ink: #1f2430; --soft: #6a7182; --grid: #e3e7ee; --mark: #2858c4 }
@media (prefers-color-scheme: dark) { svg { background: #14171d; --ink: #d7dbe4; --soft: #98a0b0; --grid: #2a2f3a; --mark: #7aa2ff } }
text { fill: var(--soft); font: 12px system-ui, sans-serif }
.title { fill: var(--ink); font-size: 14px; font-weight: 600 }
.name { fill: var(--ink) }
line { stroke: var(--grid) }
circle { fill: var(--mark) }
</style>
<text class="title" x="${LEFT}" y="24">Attention of ${length} tokens, ${heads} heads of ${headDim}</text>
<text x="${LEFT}" y="42">kept mass over time of plan and attention beside dense (${escapeXml(device)})</text>
${parts.join("\n")}
<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${
    HEIGHT - 10
  }" text-anchor="middle">time beside dense attention (logarithmic)</text>
<text transform="translate(16 ${HEIGHT / 2}) rotate(-90)" text-anchor="middle">recall</text>
</svg>
`;
}

function px(value: number): string {
  return String(Math.round(value * 10) / 10);
}
