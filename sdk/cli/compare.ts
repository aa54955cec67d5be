/**
 * `deno task compare --length 32768`: every method on the same queries, keys and values beside dense attention, as a table and a plot.
 *
 * @module
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { compareMethods, type Comparison, type Row } from "../compare/compare.ts";
import { lineup } from "../compare/lineup.ts";
import { plotComparison } from "../compare/plot.ts";
import { type Sample, structured } from "../compare/structured.ts";
import { videoSample, visionLineup } from "../compare/vision_lineup.ts";
import { type Device, openDevice } from "../device/mod.ts";
import { capturedSample } from "./captured_sample.ts";
import { deviceOptions, runCommand, wholeOption, wordOption } from "./command.ts";
import { costCurve, curvesModule } from "./cost_curve.ts";
import { writeBytes } from "./node_files.ts";
import { recallSample } from "./recall_sample.ts";
import { percent } from "./report.ts";
import { textTable } from "./text_table.ts";

const HELP = `Compare attention methods on the same queries, keys and values.

  deno task compare --length 32768
(with Bun: bun run compare ...)

  --length N         tokens (default 4096)
  --heads N          query heads (default 8)    --kv-heads N   key heads (default: as many)
  --dim N            columns of a head (default 64)
  --data KIND        structured (default); orion: the last layer of the bundled tabular model on a bundled table;
                     diffusion: the last layer of a small diffusion language model; video: a noisy video that attention denoises;
                     digits: the last layer of a small vision transformer; recall: a layer of the recall model on a text
                     of --length tokens
  --layer N          of the recall model, from 0 (default 2)
  --bidirectional    not causal, with the methods for that (default for video and digits)
  --methods A,B      only these methods
  --device KIND      webgpu, wasm or reference (default: the fastest that works)    --threads N
  --seed N           of the structured data (default 1)
  --svg FILE         where the plot goes (default compare-LENGTH.svg)
  --json             print one JSON object instead of the table
  --curves           measure the curves that methods.auto chooses by and print their module
  --help             this text

Recall and oracle are shares of dense attention's mass on 64 queries per head: what the plan keeps, and what the best keys of the same
number would. Error is the distance of the output from dense attention's, relative to its norm. Methods with trained or searched settings
run with neutral ones. Captured attention is not causal in its model; without --bidirectional it is cut
to be causal here. Methods of denoising models use a plan for many steps; the speed-up counts it in one.
`;

/** The command. @returns The exit code: 0 done, 1 failed, 2 wrong arguments. */
export function main(args: readonly string[]): Promise<number> {
  return runCommand(args, { help: HELP, read: readOptions, run });
}

async function run(options: Options): Promise<void> {
  using device = await openDevice(options.open);
  if (options.curves) {
    console.log(curvesModule(await costCurve(device, options.dim, (line) => console.error(line))));
  } else await compare(device, options);
}

async function compare(device: Device, options: Options): Promise<void> {
  const sample = await sampleOf(options);
  const all = sample.causal === false ? await visionLineup(device, sample) : lineup(sample);
  const unknown = options.methods?.find((name) => !Object.hasOwn(all, name));
  if (unknown !== undefined) {
    throw new RangeError(`Cannot compare "${unknown}": known are ${Object.keys(all).join(", ")}`);
  }
  const planners = Object.fromEntries(
    Object.entries(all).filter(([name]) => options.methods === undefined || options.methods.includes(name)),
  );
  const onRow = options.json ? undefined : ({ method }: Row): void => console.error(`measured ${method}`);
  const comparison = await compareMethods(device, sample, planners, { ...(onRow && { onRow }) });
  const file = options.svg ?? `compare-${sample.length}.svg`;
  await writeBytes(file, plotComparison(comparison));
  console.log(
    options.json ? JSON.stringify(comparison, undefined, 2) : `${report(comparison)}\n\nPlot: ${file}`,
  );
}

/** The comparison as a table. */
export function report({ length, heads, headDim, causal, device, denseMs, rows }: Comparison): string {
  const header = ["method", "density", "recall", "oracle", "error", "plan", "attention", "speed-up"];
  const cells = rows.map((row) => [
    row.method,
    percent(row.density),
    row.recall.toFixed(3),
    row.oracle.toFixed(3),
    row.error.toExponential(1),
    ms(row.planMs),
    ms(row.attendMs),
    `${(denseMs / (row.planMs + row.attendMs)).toFixed(2)}x`,
  ]);
  const dense = ["dense", percent(1), "1.000", "1.000", "0", "", ms(denseMs), "1.00x"];
  return [
    `Attention of ${length} tokens, ${heads} heads of ${headDim}, ${
      causal ? "causal" : "bidirectional"
    } (${device})`,
    "",
    textTable(header, [dense, ...cells]),
  ].join("\n");
}

function ms(time: number): string {
  return time < 10
    ? `${time.toFixed(2)} ms`
    : time < 10_000
    ? `${time.toFixed(0)} ms`
    : `${(time / 1000).toFixed(1)} s`;
}

async function sampleOf(
  { data, length, heads, kvHeads, dim, layer, seed, bidirectional }: Options,
): Promise<Sample> {
  if (data === "video") return videoSample(seed);
  if (data === "recall") return await recallSample(length, layer, seed);
  const sample = data === "structured"
    ? structured({ length, heads, kvHeads, headDim: dim, seed })
    : await capturedSample(data);
  return bidirectional ? { ...sample, causal: false } : sample;
}

const DATA = ["structured", "orion", "diffusion", "video", "digits", "recall"] as const;

type Options = ReturnType<typeof readOptions>;

function readOptions(args: readonly string[]) {
  const { values } = parseArgs({
    args: [...args],
    options: {
      "length": { type: "string", default: "4096" },
      "heads": { type: "string", default: "8" },
      "kv-heads": { type: "string" },
      "dim": { type: "string", default: "64" },
      "data": { type: "string", default: "structured" },
      "layer": { type: "string", default: "2" },
      "methods": { type: "string" },
      "device": { type: "string" },
      "threads": { type: "string" },
      "seed": { type: "string", default: "1" },
      "svg": { type: "string" },
      "bidirectional": { type: "boolean", default: false },
      "json": { type: "boolean", default: false },
      "curves": { type: "boolean", default: false },
      "help": { type: "boolean", default: false },
    },
  });
  const heads = wholeOption("heads", values.heads);
  return {
    length: wholeOption("length", values.length),
    heads,
    kvHeads: values["kv-heads"] === undefined ? heads : wholeOption("kv-heads", values["kv-heads"]),
    dim: wholeOption("dim", values.dim),
    data: wordOption("data", values.data, DATA),
    layer: wholeOption("layer", values.layer, 0),
    methods: values.methods?.split(","),
    open: deviceOptions(values),
    seed: wholeOption("seed", values.seed),
    svg: values.svg,
    bidirectional: values.bidirectional,
    json: values.json,
    curves: values.curves,
    help: values.help,
  };
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
