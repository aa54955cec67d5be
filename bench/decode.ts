/**
 * One decode step over a long context: dense, Mustafar's bitmaps and Double Sparsity beside dense of the same device, onnxruntime-web's GroupQueryAttention and
 * the streaming bandwidth, in one run.
 *
 * Run: `deno run -A decode.ts` or `bun decode.ts` in `bench/`, with `--length 32768`, `--threads 1`, `--json`.
 *
 * @module
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { bitmap, decode, dense, KVCache, quantized, type Storage } from "../sdk/cache/mod.ts";
import { openDevice, slice, type Tensor } from "../sdk/device/mod.ts";
import { doubleSparsity } from "../sdk/methods/double_sparsity.ts";
import type { Selector } from "../sdk/methods/selector.ts";
import { onnxDecodeStep } from "./onnx_models.ts";
import { normals, random } from "./random.ts";
import { machine, measure, show, type Spread } from "./stats.ts";
import { streamRoof } from "./stream_roof.ts";

const { values } = parseArgs({
  options: {
    json: { type: "boolean" },
    length: { type: "string", default: "32768" },
    threads: { type: "string", default: "1" },
  },
});
const DIM = 128;
const length = Number(values.length);
const threads = Number(values.threads);
const RUNS = 9;

const device = await openDevice({ prefer: "wasm", threads });
const next = random(3);

interface Line {
  readonly name: string;
  readonly ms: Spread;
  readonly beside?: string;
}
const lines: Line[] = [];
function add(name: string, ms: Spread, beside?: string): void {
  lines.push({ name, ms, ...(beside !== undefined && { beside }) });
  if (!values.json) console.log(`${name.padEnd(62)} ${show(ms).padStart(28)}  ${beside ?? ""}`);
}
const times = (a: Spread, b: Spread): string => `${(a.median / b.median).toFixed(2)}x`;
const speed = (bytes: number, ms: Spread): number => bytes / ms.median / 1e6;

/** Keys of a few directions and noise, so that some tokens stand out; made in pieces, as a prompt comes. */
function fill(caches: readonly KVCache[], heads: number): void {
  const piece = 2048;
  // The same rows for every piece but their order: 1 GB of normal numbers take minutes to draw.
  const rows = normals(next, heads * piece * DIM);
  for (let at = 0; at < length; at += piece) {
    using scope = device.scope();
    const shifted = new Float32Array(rows.length);
    const by = (at / piece * 7919 * DIM) % rows.length;
    shifted.set(rows.subarray(by));
    shifted.set(rows.subarray(0, by), rows.length - by);
    const all = scope.tensor(shifted, [heads, piece, DIM]);
    const x = length - at < piece ? slice(scope, all, 1, 0, length - at) : all;
    for (const cache of caches) {
      cache.append(x, x);
      cache.compact();
    }
  }
}

function time(q: Tensor, cache: KVCache, select?: Selector): Promise<Spread> {
  return measure(() => decode(device, q, cache, { select }).dispose(), RUNS, 3);
}

/** Every cache of one shape, and what a step over it takes. */
async function shape(heads: number, kvHeads: number, shared: boolean): Promise<void> {
  const open = (storage: Storage): KVCache =>
    new KVCache(device, { heads: kvHeads, headDim: DIM, queryHeads: heads, storage, reserve: length });
  const q = device.tensor(normals(next, heads * DIM), [heads, 1, DIM]);
  const full = open(dense());
  fill([full], kvHeads);
  const bytes = 2 * kvHeads * length * DIM * 4;
  const f32 = await time(q, full);
  add(`${heads}/${kvHeads} heads: dense f32`, f32, `${speed(bytes, f32).toFixed(1)} GB/s, ${(100 * speed(bytes, f32) / roof).toFixed(0)} % of the roof`);

  const profile = await doubleSparsity.calibrate(device, {
    q: device.tensor(normals(next, heads * 64 * DIM), [heads, 64, DIM]),
    k: device.tensor(normals(next, kvHeads * 64 * DIM), [kvHeads, 64, DIM]),
  });
  const select = doubleSparsity({ profile, labelChannels: DIM / 16, labelBits: 4, tokens: length / 16, denseLayers: [], shared });
  const sparse = await time(q, full, select);
  add(`${heads}/${kvHeads} heads: Double Sparsity 1/16, ${shared ? "a list per KV head" : "a list per query head"}`, sparse, `${times(f32, sparse)} as fast as dense f32`);
  full.dispose();

  const half = open(dense({ type: "f16" }));
  fill([half], kvHeads);
  const f16 = await time(q, half);
  add(`${heads}/${kvHeads} heads: dense f16`, f16, `${speed(bytes / 2, f16).toFixed(1)} GB/s, ${(100 * speed(bytes / 2, f16) / roof).toFixed(0)} % of the roof`);
  half.dispose();
  for (const share of [0.5, 0.7]) {
    const cache = open(bitmap({ sparsity: { k: share, v: share } }));
    fill([cache], kvHeads);
    await cache.settle();
    const ms = await time(q, cache);
    const kept = cache.bytes / (bytes / 2);
    add(`${heads}/${kvHeads} heads: Mustafar ${share}`, ms, `${times(ms, f16)} the time of dense f16, ${(100 * kept).toFixed(1)} % of its bytes with the window`);
    cache.dispose();
  }
  for (const bits of [8, 4] as const) {
    const cache = open(quantized({ bits }));
    fill([cache], kvHeads);
    const ms = await time(q, cache);
    add(`${heads}/${kvHeads} heads: int${bits}`, ms, `${times(ms, f16)} the time of dense f16, ${(100 * cache.bytes / (bytes / 2)).toFixed(1)} % of its bytes`);
    cache.dispose();
  }
  if (shared) await peer(heads, kvHeads, f32);
  q.dispose();
}

/** onnxruntime-web's decode step, one thread: its threads do not work on these runtimes. */
async function peer(heads: number, kvHeads: number, ours: Spread): Promise<void> {
  try {
    const ort = await import("onnxruntime-web/wasm");
    ort.env.wasm.numThreads = 1;
    const session = await ort.InferenceSession.create(onnxDecodeStep(length - 1, heads, kvHeads, DIM), { executionProviders: ["wasm"] });
    const floats = (size: number, dims: number[]) => new ort.Tensor("float32", normals(next, size), dims);
    const past = (): InstanceType<typeof ort.Tensor> => new ort.Tensor("float32", new Float32Array(kvHeads * (length - 1) * DIM).fill(0.1), [1, kvHeads, length - 1, DIM]);
    const feeds = {
      query: floats(heads * DIM, [1, 1, heads * DIM]),
      key: floats(kvHeads * DIM, [1, 1, kvHeads * DIM]),
      value: floats(kvHeads * DIM, [1, 1, kvHeads * DIM]),
      past_key: past(),
      past_value: past(),
      seqlens_k: new ort.Tensor("int32", Int32Array.of(length - 1), [1]),
      total: new ort.Tensor("int32", Int32Array.of(length), [1]),
    };
    const ms = await measure(async () => void await session.run(feeds, ["out"]), 5);
    add(`${heads}/${kvHeads} heads: onnxruntime-web GroupQueryAttention, 1 thread`, ms, `ours (${threads} thread${threads > 1 ? "s" : ""}) is ${times(ms, ours)} as fast`);
    await session.release();
  } catch (error) {
    console.log(`onnxruntime-web: ${error instanceof Error ? error.message : String(error)}`);
  }
}

if (!values.json) console.log(`One decode step over ${length} tokens, D ${DIM}, on ${machine()}, ${device.report.adapter}\n`);
const roof = await streamRoof(threads);
if (!values.json) console.log(`roof: ${roof.toFixed(1)} GB/s of streaming reads by ${threads} thread${threads > 1 ? "s" : ""}`);
await shape(8, 8, false);
await shape(32, 8, true);
if (values.json) console.log(JSON.stringify({ machine: machine(), device: device.report.adapter, length, threads, roof, lines }, null, 2));
device.dispose();
process.exitCode = 0;
