/**
 * A small trained diffusion language model fills in 32 masked tokens of 64 sequences, with dense attention, with SparseD and through a window.
 *
 *     deno run -A examples/diffusion_lm.ts        (or: bun examples/diffusion_lm.ts)
 *
 * Every answer copies a token of the prompt, so what attention loses shows as wrong answers.
 *
 * @module
 */
import { readFile } from "node:fs/promises";
import { openDevice, readSafetensors } from "../mod.ts";
import { DIFFUSION_ROWS, writeAnswers } from "../sdk/compare/diffusion_runs.ts";

const bytes = await readFile(new URL("../sdk/methods/testdata/vision-dlm.safetensors", import.meta.url));
const file = readSafetensors(new Uint8Array(bytes));
const params = JSON.parse(file.metadata["params"]!);
using device = await openDevice();

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`.padStart(12);
console.log(`${"attention".padEnd(28)}    computed   kept mass  8 steps right  16 steps right`);
for (const row of DIFFUSION_ROWS) {
  const [short, long] = [8, 16].map((steps) => writeAnswers(device, file, params, row, steps));
  const { density, recall, accuracy } = await short!;
  const right = (await long!).accuracy;
  console.log(
    `${row.name.padEnd(28)}${percent(density)}${percent(recall)}   ${percent(accuracy)}    ${percent(right)}`,
  );
}
