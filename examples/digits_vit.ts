/**
 * Reads handwritten digits with a small vision transformer: dense, by Sparsifiner's predicted masks, and through a fixed window of pixels.
 *
 *     deno run -A examples/digits_vit.ts        (or: bun examples/digits_vit.ts)
 *
 * @module
 */
import { readFile } from "node:fs/promises";
import { openDevice, readSafetensors } from "../mod.ts";
import { digitsChooser, type DigitsRun, runDigits, windowPlan } from "../sdk/compare/digits_runs.ts";

const bytes = await readFile(new URL("../sdk/methods/testdata/vision-digits.safetensors", import.meta.url));
const file = readSafetensors(new Uint8Array(bytes));
const params = JSON.parse(file.metadata["params"]!);
using device = await openDevice();

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`.padStart(9);
const row = (name: string, { accuracy, density, recall }: DigitsRun): void =>
  console.log(`${name.padEnd(18)}${percent(accuracy)}${percent(density)}${percent(recall)}`);

console.log("keys of a query    read right  computed  kept mass");
const dense = await runDigits(device, file, params);
row("all", dense);
const kept = new Map<number, DigitsRun>();
for (const rate of [0.5, 0.25, 0.1]) {
  kept.set(rate, await runDigits(device, file, params, digitsChooser(file, params, rate)));
  row(`best ${100 * rate} %`, kept.get(rate)!);
}
using plan = windowPlan(device, params.heads);
const window = await runDigits(device, file, params, () => plan);
row("5 x 5 pixels", window);

const { accuracy } = kept.get(0.25)!;
if (accuracy < dense.accuracy - 0.01 || accuracy < window.accuracy + 0.03) {
  throw new Error(
    `A quarter of the keys reads ${
      percent(accuracy)
    }, expected about as much as all and more than the window`,
  );
}
