/**
 * Draws what six methods compute of the same queries and keys as `sdk/attention/plans.svg`, the picture of the page about plans.
 *
 * @module
 */
import { writeFileSync } from "node:fs";
import { structured } from "../sdk/compare/structured.ts";
import { openDevice } from "../sdk/device/mod.ts";
import { anchorAttention } from "../sdk/methods/anchor_attention.ts";
import { flexPrefill } from "../sdk/methods/flex_prefill.ts";
import { minference } from "../sdk/methods/minference.ts";
import { pbsAttn } from "../sdk/methods/pbs_attn.ts";
import type { Planner } from "../sdk/methods/planner.ts";
import { streaming } from "../sdk/methods/streaming.ts";
import { strided } from "../sdk/methods/strided.ts";
import { root } from "./command.ts";

const LENGTH = 2048;
/** A head with vertical lines, scaled down with the sample. */
const SETTINGS: Readonly<Record<string, Planner>> = {
  minference: minference({ patterns: [["vertical_and_slash", 60, 120]] }),
  flexPrefill: flexPrefill({ blockSize: 64, gamma: 0.9, minBudget: 128 }),
  anchorAttention: anchorAttention({ blockSize: 64, step: 4, theta: 3 }),
  pbsAttn: pbsAttn({ blockSize: 64, segmentSize: 256, threshold: 0.9 }),
  strided: strided({ blockSize: 64, localBlocks: 3, stride: 6 }),
  streaming: streaming({ sink: 64, window: 320 }),
};
const COLUMNS = 3;
const WIDTH = 568;
const HEIGHT = 572;
const SCALE = 0.5;

const device = await openDevice({ prefer: "wasm", threads: 1 });
const sample = structured({ length: LENGTH, heads: 1, shapes: ["vertical"], seed: 4 });
const shape = [1, LENGTH, sample.headDim];
const [q, k] = [device.tensor(sample.q, shape), device.tensor(sample.k, shape)];
const parts: string[] = [];
let style = "";
let n = 0;
for (const [name, planner] of Object.entries(SETTINGS)) {
  const plan = planner.plan(device, q, k);
  const [density, recall] = [await plan.density(), await plan.recall(q, k)];
  const title = `${name}: ${(100 * density).toFixed(0)} % computed, ${
    (100 * recall).toFixed(1)
  } % of the mass`;
  const svg = await plan.svg({ title, size: 128 });
  style = /<style>[\s\S]*?<\/style>/.exec(svg)![0];
  const body = svg.replace(/^<svg[^>]*>/, "").replace(/<\/svg>\s*$/, "").replace(style, "");
  const [x, y] = [(n % COLUMNS) * WIDTH * SCALE, Math.floor(n / COLUMNS) * HEIGHT * SCALE];
  parts.push(`<g transform="translate(${x} ${y}) scale(${SCALE})">${body}</g>`);
  n++;
}
device.dispose();
const [width, height] = [COLUMNS * WIDTH * SCALE, Math.ceil(n / COLUMNS) * HEIGHT * SCALE];
writeFileSync(
  `${root}sdk/attention/plans.svg`,
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="What six methods compute of the same queries and keys">\n${
    style.replace("font: 13px", "font: 19px").replace(
      "</style>",
      '[font-size="11"] { font-size: 15px }\n</style>',
    )
  }\n${parts.join("\n")}\n</svg>\n`,
);
