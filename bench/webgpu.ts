/**
 * The WebGPU device beside its roofs: matrix products and attention beside the arithmetic roof, decoding beside the copy
 * bandwidth, all timed by the GPU's own clock in one run; and beside onnxruntime-web's WebGPU provider where that runs.
 *
 * Run: `deno run -A webgpu.ts [--quick] [--parts products,attention,decode,peer] [--json] [--out FILE]` in `bench/`; `--quick`
 * takes sizes that a software GPU can bear.
 *
 * @module
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { openWebGPU } from "../gpu/mod.ts";
import { attend, createDevice, type Device, linear, repeat, reshape, type Tensor } from "../sdk/device/mod.ts";
import { gpuRoof } from "./gpu_roof.ts";
import { onnxWebgpuMatmul, perRound } from "./onnx_webgpu.ts";
import { normals, random } from "./random.ts";
import { machine, spread } from "./stats.ts";

const { values } = parseArgs({ options: { quick: { type: "boolean", default: false }, json: { type: "boolean", default: false }, out: { type: "string" }, parts: { type: "string", default: "products,attention,decode,peer" } } });
const parts = new Set(values.parts.split(","));
const quick = values.quick;
const RUNS = quick ? 2 : 7;

interface Row {
  what: string;
  ms: number;
  best: number;
  rate: number;
  unit: string;
  share: number;
  of: string;
}

const backend = await openWebGPU({ software: true });
const device = createDevice(backend);
const { adapter, features, variants, measured } = backend.report;
const roof = await gpuRoof();
const rows: Row[] = [];

const spin = device.tensor(normals(random(11), 1 << 22), [2048, 2048]);
const spinWeight = device.weight(normals(random(12), 1 << 22), [2048, 2048]);

/** Keeps the GPU busy for a while, so that what follows does not run at the clock of an idle one. */
function wakeUp(d: Device): void {
  if (!quick) for (let i = 0; i < 200; i++) linear(d, spin, spinWeight).dispose();
}

/** Medians of the GPU's time for what `run` queues; its results are freed. */
async function time(run: (d: Device) => void): Promise<{ ms: number; best: number }> {
  const times: number[] = [];
  // A GPU takes some tenths of a second to reach its full clock.
  for (const until = performance.now() + (quick ? 0 : 800); performance.now() < until;) {
    const scope = device.scope();
    wakeUp(scope);
    await linear(scope, spin, spinWeight).read();
    scope.dispose();
  }
  for (let i = 0; i < RUNS + 1; i++) {
    const scope = device.scope();
    wakeUp(scope);
    times.push(await backend.time(() => run(scope)));
    scope.dispose();
  }
  const { median, min } = spread(times.slice(1));
  return { ms: median, best: min };
}

/** Noise, spread over a tensor on the device. */
function noise(d: Device, shape: number[], seed: number): Tensor {
  const size = shape.reduce((all, n) => all * n, 1);
  const part = Math.min(size, 1 << 16);
  const some = d.tensor(normals(random(seed), part), [1, part]);
  const whole = repeat(d, some, 0, Math.ceil(size / part));
  return reshape(d, whole, shape);
}

async function add(what: string, flopsOrBytes: number, of: "roof" | "copy", run: (d: Device) => void): Promise<void> {
  const { ms, best } = await time(run);
  const rate = flopsOrBytes / ms / (of === "roof" ? 1e9 : 1e6);
  const full = of === "roof" ? roof : copyRate;
  rows.push({ what, ms, best, rate, unit: of === "roof" ? "TFLOP/s" : "GB/s", share: rate / full, of });
  if (!values.json) console.log(`${what.padEnd(58)} ${ms.toFixed(3).padStart(9)} ms ${rate.toFixed(2).padStart(8)} ${of === "roof" ? "TFLOP/s" : "GB/s   "} ${(100 * rate / full).toFixed(0).padStart(4)} % of the ${of}`);
}

// The copy bandwidth: what is read plus what is written.
const copyElements = quick ? 1 << 20 : 1 << 28;
const source = noise(device, [1, copyElements], 1);
const copied = await time((d) => repeat(d, source, 0, 1));
const copyRate = 2 * 4 * copyElements / copied.ms / 1e6;
source.dispose();
if (!values.json) {
  console.log(`${adapter}; ${machine()}`);
  console.log(`features ${features.join(", ")}; variants ${variants.join(", ")}`);
  console.log(`readback ${measured?.readbackMs.toFixed(2)} ms, copy ${copyRate.toFixed(0)} GB/s, multiply-adds on registers alone ${roof.toFixed(2)} TFLOP/s\n`);
}

/** Noise that is repeated, as millions of numbers take seconds in which the GPU falls asleep. */
function pattern(size: number, seed: number): Float32Array {
  const all = new Float32Array(size);
  const some = normals(random(seed), Math.min(size, 1 << 16));
  for (let i = 0; i < size; i += some.length) all.set(some.subarray(0, Math.min(some.length, size - i)), i);
  return all;
}

for (const n of !parts.has("products") ? [] : quick ? [256] : [1024, 2048, 4096]) {
  const scope = device.scope();
  const x = noise(scope, [n, n], 2);
  const f32 = scope.weight(pattern(n * n, 3), [n, n]);
  await add(`product ${n} x ${n} x ${n}, float32`, 2 * n ** 3, "roof", (d) => linear(d, x, f32));
  const f16 = scope.weight(new Uint16Array(n * n).fill(0x3123), [n, n]);
  await add(`product ${n} x ${n} x ${n}, float16 weights`, 2 * n ** 3, "roof", (d) => linear(d, x, f16));
  const i8 = scope.weight(new Int8Array(pattern(n * n / 4, 9).buffer), [n, n], new Float32Array(n).fill(0.01));
  await add(`product ${n} x ${n} x ${n}, int8 weights`, 2 * n ** 3, "roof", (d) => linear(d, x, i8));
  const i4 = scope.weight(new Uint8Array(pattern(n * n / 8, 9).buffer), [n, n], new Float32Array(n * n / 32).fill(0.01));
  await add(`product ${n} x ${n} x ${n}, int4 weights, groups of 32`, 2 * n ** 3, "roof", (d) => linear(d, x, i4));
  const one = noise(scope, [1, n], 4);
  await add(`one row by ${n} x ${n}, float32`, 4 * n * n, "copy", (d) => linear(d, one, f32));
  scope.dispose();
}

for (const length of !parts.has("attention") ? [] : quick ? [256] : [8192, 32_768]) {
  const [heads, headDim] = [quick ? 2 : 32, 128];
  const scope = device.scope();
  const [q, k, v] = [5, 6, 7].map((seed) => noise(scope, [1, length, heads * headDim], seed));
  await add(`dense attention, ${heads} heads of ${headDim}, ${length} tokens`, 4 * heads * length ** 2 * headDim, "roof", (d) => attend(d, q!, k!, v!, { heads, headDim }));
  await add(`the same, causal (half of it)`, 2 * heads * length ** 2 * headDim, "roof", (d) => attend(d, q!, k!, v!, { heads, headDim, causal: true }));
  scope.dispose();
}

for (const [heads, kvHeads] of parts.has("decode") ? [[8, 8], [32, 8]] as const : []) {
  const [length, headDim] = [quick ? 1024 : 131_072, 128];
  const scope = device.scope();
  const q = noise(scope, [1, 1, heads * headDim], 8);
  const [k, v] = [9, 10].map((seed) => noise(scope, [1, length, kvHeads * headDim], seed));
  await add(`one token, ${heads} / ${kvHeads} heads of ${headDim}, ${length} keys`, 2 * 4 * kvHeads * length * headDim, "copy", (d) => attend(d, q, k!, v!, { heads, kvHeads, headDim }));
  scope.dispose();
}

const report = { date: new Date().toISOString().slice(0, 10), machine: machine(), adapter, features, variants, measured, roofTflops: roof, copyGbs: copyRate, rows };
const save = (more: object): void => {
  if (values.out) writeFileSync(values.out, JSON.stringify({ ...report, ...more }, null, 2) + "\n");
};
save({});
if (parts.has("peer")) {
  const n = quick ? 256 : 2048;
  const scope = device.scope();
  const [x, w] = [noise(scope, [n, n], 2), scope.weight(pattern(n * n, 3), [n, n])];
  const ours = await perRound(async (times) => {
    for (let i = 0; i < times; i++) {
      const out = linear(scope, x, w);
      if (i === times - 1) await out.read();
      out.dispose();
    }
  }, RUNS);
  scope.dispose();
  const peer = await onnxWebgpuMatmul(n, RUNS);
  save({ peer: { n, ours, onnxruntime: peer } });
  const tells = typeof peer === "string" ? `does not run here: ${peer}` : `${peer.toFixed(3)} ms, ${(peer / ours).toFixed(2)} times ours`;
  if (!values.json) console.log(`\nproduct of ${n} by the wall clock, operands and results on the GPU: ${ours.toFixed(3)} ms; onnxruntime-web's WebGPU provider ${tells}`);
}
if (values.json) console.log(JSON.stringify({ ...report, adapter }));
device.dispose();
