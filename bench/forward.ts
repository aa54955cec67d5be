/**
 * One forward pass of official-size models beside PyTorch: the same weights, the same table, the same number of threads.
 *
 * Run: `deno run -A forward.ts [--json] [--threads 2] [--python python3]` in `bench/`; PyTorch is skipped with a reason where it is absent.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import process from "node:process";
import { parseArgs } from "node:util";
import { openDevice } from "../sdk/device/mod.ts";
import { normals, random } from "./random.ts";
import { writeSafetensors } from "../sdk/weights/safetensors.ts";
import { parseConfig } from "../tabular/model/config.ts";
import { OrionMSP } from "../tabular/model/orion_msp.ts";
import { parameterShapes } from "../tabular/model/shapes.ts";
import { machine, measure, show, type Spread } from "./stats.ts";

const CONFIGS = {
  code_defaults: {},
  stage_scripts: {
    row_num_blocks: 6, row_num_global: 8, row_scales: [1, 4, 16], row_window: 8, row_num_random: 2, row_group_mode: "pma", perc_num_latents: 64, perc_layers: 3,
  },
};
const SIZES = [{ train: 100, test: 50, features: 4 }, { train: 400, test: 169, features: 30 }];

const { values } = parseArgs({ options: { json: { type: "boolean" }, threads: { type: "string", default: "2" }, python: { type: "string", default: "python3" }, runs: { type: "string", default: "5" } } });
const threads = Number(values.threads);
const runs = Number(values.runs);
const folder = mkdtempSync(`${tmpdir()}/filigree-bench-`);
const rows: { config: string; size: string; ours: Spread; torch?: Spread; ratio?: number }[] = [];
let skipped: string | undefined;
try {
  for (const [name, keys] of Object.entries(CONFIGS)) {
    const config = parseConfig(keys);
    const file = `${folder}/${name}.safetensors`;
    const bytes = randomWeights(config);
    writeFileSync(file, bytes);
    const device = await openDevice({ prefer: "wasm", threads });
    const model = await OrionMSP.fromSafetensors(bytes, { device });
    for (const { train, test, features } of SIZES) {
      const next = random(train);
      const x = { data: normals(next, (train + test) * features), shape: [1, train + test, features] };
      const y = { data: Float32Array.from({ length: train }, (_, i) => i % 3), shape: [1, train] };
      // The peer runs before and after, so that a change of the machine's speed shows in its spread.
      const before = torch(file, train, test, features);
      const ours = await measure(() => model.forward(x, y), runs);
      const after = torch(file, train, test, features);
      const peer = before && after ? { median: (before.median + after.median) / 2, min: Math.min(before.min, after.min), max: Math.max(before.max, after.max), runs: before.runs + after.runs } : undefined;
      rows.push({ config: name, size: `${train} + ${test} rows x ${features}`, ours, ...(peer && { torch: peer, ratio: ours.median / peer.median }) });
    }
    model.dispose();
    device.dispose();
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

if (values.json) console.log(JSON.stringify({ machine: machine(), threads, runs, skipped, rows }));
else {
  console.log(`Forward pass, random weights, float32, ${threads} threads\n${machine()}, median of ${runs} (range)\n`);
  for (const { config, size, ours, torch: peer, ratio } of rows) {
    console.log(`${config.padEnd(14)} ${size.padEnd(20)} Filigree ${show(ours).padEnd(28)} ${peer ? `PyTorch ${show(peer).padEnd(28)} ratio ${ratio!.toFixed(2)}` : ""}`);
  }
  if (skipped) console.log(`\nPyTorch skipped: ${skipped}`);
}

function torch(weights: string, train: number, test: number, features: number): Spread | undefined {
  if (skipped) return undefined;
  try {
    const script = fileURLToPath(new URL("torch_forward.py", import.meta.url));
    const args = ["--weights", weights, "--train", train, "--test", test, "--features", features, "--threads", threads, "--runs", runs].map(String);
    const text = execFileSync(values.python, [script, ...args], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
    const { median, min, max } = JSON.parse(text.trim().split("\n").at(-1)!);
    return { median: median * 1000, min: min * 1000, max: max * 1000, runs };
  } catch (error) {
    const { stderr } = error as { stderr?: string };
    skipped = (stderr?.trim().split("\n").at(-1) ?? String(error)).slice(0, 200);
    return undefined;
  }
}

function randomWeights(config: ReturnType<typeof parseConfig>): Uint8Array {
  const next = random(1);
  const tensors = new Map<string, { dtype: "F32"; shape: number[]; data: Float32Array }>();
  for (const [name, shape] of parameterShapes(config)) {
    const size = shape.reduce((all, n) => all * n, 1);
    const spread = 1 / Math.sqrt(shape.at(-1)!);
    const head = config.embed_dim / config.row_nhead;
    const data = name.endsWith("rope.freqs")
      ? Float32Array.from({ length: size }, (_, i) => config.row_rope_base ** (-2 * i / head))
      : normals(next, size).map((value) => value * spread);
    if (/norm\d?\.weight$|ln(_\w)?\.weight$/.test(name)) data.fill(1);
    tensors.set(name, { dtype: "F32", shape: [...shape], data });
  }
  return writeSafetensors(tensors, { config: JSON.stringify(config) });
}
