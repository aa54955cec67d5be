/**
 * One decode step over a long context on the WebGPU device: dense, quantised, Mustafar's bitmaps and Double Sparsity, timed by the GPU's clock in one run, beside the
 * memory's speed measured in the same run.
 *
 * Run: `deno run -A webgpu_decode.ts [--lengths 32768,131072] [--out FILE]` in `bench/`.
 *
 * @module
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { openWebGPU } from "../gpu/mod.ts";
import { bitmap, decode, dense, KVCache, quantized, type Storage } from "../sdk/cache/mod.ts";
import { createDevice, type Device, fill, reduce, slice, type Tensor } from "../sdk/device/mod.ts";
import { doubleSparsity } from "../sdk/methods/double_sparsity.ts";
import { lserve } from "../sdk/methods/lserve.ts";
import type { Selector } from "../sdk/methods/selector.ts";
import { normals, random } from "./random.ts";
import { machine, spread } from "./stats.ts";

const { values } = parseArgs({
  options: { "lengths": { type: "string", default: "32768,131072" }, "dim": { type: "string", default: "128" }, "out": { type: "string" } },
});
const dim = Number(values.dim);
/** Steps that are queued together: one alone is shorter than the clock can tell. */
const STEPS = 10;

interface Row {
  readonly what: string;
  readonly ms: number;
  readonly beside: string;
}

const backend = await openWebGPU({ software: true });
const device = createDevice(backend);
const { adapter, variants } = backend.report;
const next = random(7);
const rows: Row[] = [];

/** An idle GPU runs at a low clock; so many milliseconds of heavy work wake it. */
const WAKE = 500;
/** What the heavy work reads, and the streaming read that is the roof. */
const stream = device.empty([1024, 2 ** 18]);

/** The GPU's time of one step, of some that are queued together. */
async function once(run: (d: Device) => void, steps: number): Promise<number> {
  using scope = device.scope();
  return await backend.time(() => {
    for (let step = 0; step < steps; step++) {
      using inner = scope.scope();
      run(inner);
    }
  }) / steps;
}

/** Median of the GPU's time of one step, once the GPU is awake. */
async function time(run: (d: Device) => void, steps = STEPS, runs = 9): Promise<number> {
  await once(run, steps);
  for (const begin = performance.now(); performance.now() - begin < WAKE;) await once((d) => reduce(d, "sum", stream), 20);
  const times: number[] = [];
  for (let n = 0; n < runs; n++) times.push(await once(run, steps));
  return spread(times).median;
}

function add(what: string, ms: number, beside: string): void {
  rows.push({ what, ms, beside });
  console.log(`${what.padEnd(66)} ${ms.toFixed(3).padStart(9)} ms  ${beside}`);
}

/** Random rows in pieces, the same in every piece. */
async function append(cache: KVCache, length: number): Promise<void> {
  const piece = 4096;
  using scope = device.scope();
  const made = scope.tensor(normals(next, cache.heads * piece * dim), [cache.heads, piece, dim]);
  for (let at = 0; at < length; at += piece) {
    using inner = scope.scope();
    const x = length - at < piece ? slice(inner, made, 1, 0, length - at) : made;
    cache.append(x, x);
    await cache.settle();
  }
}

async function shape(length: number, heads: number, kvHeads: number, roof: number): Promise<void> {
  const head = `${length} tokens, ${heads}/${kvHeads} heads:`;
  const q: Tensor = device.tensor(normals(next, heads * dim), [heads, 1, dim]);
  const open = async (storage: Storage): Promise<KVCache> => {
    const cache = new KVCache(device, { heads: kvHeads, headDim: dim, queryHeads: heads, storage, reserve: length });
    await append(cache, length);
    return cache;
  };
  const bytes = 2 * kvHeads * length * dim * 2;
  const speed = (size: number, ms: number): string => `${(size / ms / 1e6).toFixed(0)} GB/s, ${(100 * size / ms / 1e6 / roof).toFixed(0)} % of the roof`;
  const full = await open(dense({ type: "f16" }));
  const whole = await time((d) => decode(d, q, full));
  add(`${head} dense f16`, whole, speed(bytes, whole));
  const profile = await doubleSparsity.calibrate(device, {
    q: device.tensor(normals(next, heads * 64 * dim), [heads, 64, dim]),
    k: device.tensor(normals(next, kvHeads * 64 * dim), [kvHeads, 64, dim]),
  });
  const half = [Array.from({ length: kvHeads }, (_, h) => h % 2)];
  const selectors: Record<string, Selector> = {
    "Double Sparsity 1/16": doubleSparsity({ profile, labelChannels: dim / 16, tokens: length / 16, denseLayers: [] }),
    ...(heads > kvHeads && {
      "Double Sparsity 1/16, a list per KV head": doubleSparsity({ profile, labelChannels: dim / 16, tokens: length / 16, denseLayers: [], shared: true }),
    }),
    "LServe, half of the heads streaming, 4096 tokens": lserve({ headFlags: half }),
  };
  for (const [name, select] of Object.entries(selectors)) {
    const ms = await time((d) => decode(d, q, full, { select }));
    add(`${head} ${name}`, ms, `${(whole / ms).toFixed(2)}x as fast as dense f16`);
  }
  full.dispose();
  const storages: Record<string, Storage> = {
    "Mustafar 0.5": bitmap({ sparsity: { k: 0.5, v: 0.5 } }),
    "Mustafar 0.7": bitmap({ sparsity: { k: 0.7, v: 0.7 } }),
    "int8": quantized({ bits: 8 }),
    "int4": quantized({ bits: 4 }),
  };
  for (const [name, storage] of Object.entries(storages)) {
    const cache = await open(storage);
    const ms = await time((d) => decode(d, q, cache));
    add(`${head} ${name}`, ms, `${(whole / ms).toFixed(2)}x as fast as dense f16, ${(100 * cache.bytes / bytes).toFixed(1)} % of its bytes`);
    cache.dispose();
  }
  q.dispose();
}

console.log(`${machine()}\n${adapter} [${variants.join(", ")}]`);
fill(device, stream, 1);
const streaming = await time((d) => reduce(d, "sum", stream), 4);
const roof = 2 ** 30 / streaming / 1e6;
add("roof: streaming read of 1 GB", streaming, `${roof.toFixed(0)} GB/s`);
for (const length of values.lengths.split(",").map(Number)) {
  for (const [heads, kvHeads] of [[32, 8], [32, 32]] as const) {
    try {
      await shape(length, heads, kvHeads, roof);
    } catch (error) {
      console.log(`${length} tokens, ${heads}/${kvHeads} heads: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}
if (values.out) writeFileSync(values.out, `${JSON.stringify({ machine: machine(), adapter, variants, dim, rows }, null, 2)}\n`);
device.dispose();
