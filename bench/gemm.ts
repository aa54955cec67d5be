/**
 * Matrix products [512, 512] x [512, 512] in one run: each build of the kernels beside its roof and onnxruntime-web's WASM.
 *
 * Every round times a burst of calls of every candidate, so that a change of the machine's speed meets all of them; ratios
 * are taken within a round. Run: `deno run -A gemm.ts` or `bun gemm.ts` in `bench/`, with `--json`, `--rounds 30`, `--size 512`.
 *
 * @module
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { openWasm } from "../wasm/open_wasm.ts";
import type { Variant } from "../wasm/env.ts";
import { openRoof } from "./gemm_roof.ts";
import { onnxMatmul } from "./onnx_models.ts";
import { normals, random } from "./random.ts";
import { machine, type Spread, spread } from "./stats.ts";

const { values } = parseArgs({
  options: {
    json: { type: "boolean" },
    rounds: { type: "string", default: "30" },
    size: { type: "string", default: "512" },
  },
});
const size = Number(values.size);
const rounds = Number(values.rounds);
const flops = 2 * size ** 3;
/** Calls of a burst; a worker sleeps between bursts, not between calls. */
const BURST = 4;

/** Something to time: does `flops` operations per call. */
interface Candidate {
  readonly name: string;
  readonly run: () => Promise<void> | void;
  readonly times: number[];
}

const next = random(1);
const a = normals(next, size * size);
const b = normals(next, size * size);

/** Our product on one build. */
async function ours(variant: Variant, threads: number, wtype: 0 | 1 | 2 = 0): Promise<() => void> {
  const { backend } = await openWasm({ variant, threads });
  const bytes = size * size * 4;
  const halves = new Uint16Array(size * size).fill(0x3c00);
  const source = [b, halves, new Int8Array(size * size).fill(1)][wtype]!;
  const dtype = (["f32", "f16", "i8"] as const)[wtype];
  backend.create(1, bytes, a);
  backend.create(2, source.byteLength, source);
  backend.create(3, backend.weightBytes(size, size, dtype));
  backend.create(4, bytes);
  backend.create(5, size * 4, new Float32Array(size).fill(1));
  backend.run({ op: "pack", src: 2, out: 3, n: size, k: size, dtype: wtype });
  const scales = wtype === 2 ? 5 : 0;
  return () =>
    backend.run({ op: "linear", x: 1, w: 3, scales, bias: 0, residual: 0, out: 4, m: size, n: size, k: size, wtype, group: size, activation: 0 });
}

/** onnxruntime-web's product, one thread. */
async function peer(): Promise<() => Promise<void>> {
  const ort = await import("onnxruntime-web/wasm");
  ort.env.wasm.numThreads = 1;
  const session = await ort.InferenceSession.create(onnxMatmul(size, size, size), { executionProviders: ["wasm"] });
  const feeds = { a: new ort.Tensor("float32", a, [size, size]), b: new ort.Tensor("float32", b, [size, size]) };
  return async () => void await session.run(feeds);
}

const candidates: Candidate[] = [];
const add = (name: string, run: Candidate["run"]): void => void candidates.push({ name, run, times: [] });

add("roof, simd", await openRoof("simd", flops));
add("simd, 1 thread", await ours("simd", 1));
add("roof, relaxed", await openRoof("relaxed", flops));
add("relaxed, 1 thread", await ours("relaxed", 1));
add("relaxed f16, 1 thread", await ours("relaxed", 1, 1));
add("relaxed int8, 1 thread", await ours("relaxed", 1, 2));
add("threads, 1 thread", await ours("threads", 1));
add("threads, 2 threads", await ours("threads", 2));
let skipped: string | undefined;
try {
  add("onnxruntime-web, 1 thread", await peer());
} catch (error) {
  skipped = error instanceof Error ? error.message : String(error);
}

for (let round = -5; round < rounds; round++) {
  for (const { run, times } of candidates) {
    const begin = performance.now();
    for (let i = 0; i < BURST; i++) await run();
    if (round >= 0) times.push((performance.now() - begin) / BURST);
  }
}

/** Ratio of speeds, taken round by round. */
function ratio(name: string, to: string): number | undefined {
  const [one, other] = [name, to].map((name) => candidates.find((c) => c.name === name)?.times);
  return one && other && spread(one.map((time, i) => other[i]! / time)).median;
}

const rows = candidates.map(({ name, times }) => {
  const speed: Spread = spread(times.map((ms) => flops / ms / 1e6));
  const roof = name.startsWith("simd") ? "roof, simd" : "roof, relaxed";
  const share = name.startsWith("roof") || name.startsWith("onnx") ? undefined : ratio(name, roof);
  return { name, speed, share, faster: name.startsWith("roof") ? undefined : ratio(name, "onnxruntime-web, 1 thread") };
});

if (values.json) {
  console.log(JSON.stringify({ machine: machine(), size, rounds, skipped, rows }, null, 2));
} else {
  console.log(`${machine()}, f32 product ${size}x${size}x${size}, ${rounds} rounds of ${BURST} calls each`);
  console.log(
    "The roof of builds or engines that do not fuse multiply and add is bound by latency (12 sums): a lower bound, so their share is an upper bound.",
  );
  if (skipped) console.log(`onnxruntime-web skipped: ${skipped}`);
  console.log("| candidate | GFLOP/s, median (min to max) | of the roof | against onnxruntime-web |\n| --- | --- | --- | --- |");
  for (const { name, speed, share, faster } of rows) {
    const range = `${speed.median.toFixed(1)} (${speed.min.toFixed(1)} to ${speed.max.toFixed(1)})`;
    const part = share === undefined ? "" : `${(share * 100).toFixed(0)} %`;
    console.log(`| ${name} | ${range} | ${part} | ${faster === undefined ? "" : `${faster.toFixed(2)}x`} |`);
  }
}
process.exit(0);
