/**
 * Attention by plans on the WebGPU device beside its own dense attention and the GPU's arithmetic roof, timed by the GPU's clock in one run.
 *
 * Run: `deno run -A webgpu_attention.ts [--lengths 32768,131072] [--heads 32] [--kv-heads 8] [--dim 128] [--json] [--out FILE]` in `bench/`.
 *
 * @module
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { openWebGPU } from "../gpu/mod.ts";
import { attention, planFromLists } from "../sdk/attention/mod.ts";
import { structured } from "../sdk/compare/structured.ts";
import { createDevice, type Device, repeat, reshape, type Tensor } from "../sdk/device/mod.ts";
import { anchorAttention } from "../sdk/methods/anchor_attention.ts";
import { flexPrefill } from "../sdk/methods/flex_prefill.ts";
import { minference } from "../sdk/methods/minference.ts";
import { pbsAttn } from "../sdk/methods/pbs_attn.ts";
import type { Planner } from "../sdk/methods/planner.ts";
import { streaming } from "../sdk/methods/streaming.ts";
import { strided } from "../sdk/methods/strided.ts";
import { gpuRoof } from "./gpu_roof.ts";
import { machine, spread } from "./stats.ts";

const { values } = parseArgs({
  options: {
    "lengths": { type: "string", default: "32768,131072" },
    "heads": { type: "string", default: "32" },
    "kv-heads": { type: "string", default: "8" },
    "dim": { type: "string", default: "128" },
    "methods": { type: "string" },
    "json": { type: "boolean", default: false },
    "out": { type: "string" },
  },
});
const [heads, kvHeads, dim] = [values.heads, values["kv-heads"], values.dim].map(Number) as [number, number, number];

/** Planners, and the speed-up of attention that their papers report on their own GPUs (A100 or H100, CUDA or Triton). */
const METHODS: Readonly<Record<string, { readonly planner: Planner; readonly paper: string }>> = {
  minference: { planner: minference(), paper: "up to 10x prefill at 1M; 13x the kernel at 1M" },
  flexPrefill: { planner: flexPrefill({ gamma: 0.9 }), paper: "3.5x at 128k (gamma 0.9), 2.4x (0.95)" },
  anchorAttention: { planner: anchorAttention(), paper: "1.44x over FlexPrefill at 128k" },
  pbsAttn: { planner: pbsAttn(), paper: "2.75x prefill at 256k" },
  strided: { planner: strided(), paper: "1.67x prefill of the model at 128k (LongGen, a third of the layers dense)" },
  streaming: { planner: streaming(), paper: "" },
};

interface Row {
  readonly length: number;
  readonly what: string;
  readonly ms: number;
  readonly planMs?: number;
  readonly density?: number;
  readonly speedUp?: number;
  readonly withPlan?: number;
  readonly roof?: number;
  readonly paper?: string;
}

const backend = await openWebGPU({ software: true });
const device = createDevice(backend);
const { adapter, variants } = backend.report;
const roof = await gpuRoof();
console.log(`${machine()}\n${adapter} [${variants.join(", ")}], ${roof.toFixed(1)} TFLOP/s of multiply-adds on registers`);
const rows: Row[] = [];

/** Median of the GPU's time for what `run` queues. */
async function time(run: (d: Device) => void, runs = 3): Promise<number> {
  const times: number[] = [];
  for (let n = 0; n < runs + 1; n++) {
    using scope = device.scope();
    times.push(await backend.time(() => run(scope)));
    if (times.length === 2 && times[1]! > 3000) return times[1]!;
  }
  return spread(times.slice(1)).median;
}

/** Every head of the sample several times: what is measured is time, which depends on lists and not on what differs between heads. */
function upload(d: Device, length: number): { q: Tensor; k: Tensor; v: Tensor } {
  const sample = structured({ length, heads: kvHeads, headDim: dim });
  const k = d.tensor(sample.k, [kvHeads, length, dim]);
  using s = d.scope();
  const one = s.tensor(sample.q, [kvHeads, 1, length * dim]);
  return { q: reshape(d, repeat(d, one, 1, heads / kvHeads), [heads, length, dim]), k, v: k };
}

function add(row: Row): void {
  rows.push(row);
  const { length, what, ms, planMs, density, speedUp, withPlan, paper } = row;
  const parts = [
    `${ms.toFixed(2)} ms`,
    ...(row.roof === undefined ? [] : [`${(100 * row.roof).toFixed(0)} % of the roof`]),
    ...(density === undefined ? [] : [`density ${(100 * density).toFixed(1)} %`]),
    ...(speedUp === undefined ? [] : [`${speedUp.toFixed(2)}x dense`]),
    ...(planMs === undefined ? [] : [`plan ${planMs.toFixed(2)} ms`]),
    ...(withPlan === undefined ? [] : [`${withPlan.toFixed(2)}x with planning`]),
    ...(paper ? [`(paper: ${paper})`] : []),
  ];
  console.log(`${String(length).padStart(7)}  ${what.padEnd(26)} ${parts.join(", ")}`);
}

for (const length of values.lengths.split(",").map(Number)) {
  using scope = device.scope();
  const { q, k, v } = upload(scope, length);
  const flops = 4 * heads * dim * length * (length + 1) / 2;
  const share = (ms: number, density: number): number => flops * density / ms / 1e9 / roof;
  const denseMs = await time((d) => attention(d, q, k, v, { causal: true }));
  add({ length, what: "dense", ms: denseMs, roof: share(denseMs, 1) });
  for (const block of [64, 128]) {
    const blocks = Math.ceil(length / block);
    const tiles = [Array.from({ length: blocks }, (_, r) => Array.from({ length: r + 1 }, (_, c) => c * block))];
    const shape = { heads, lq: length, lk: length, causal: true, blockQ: block, tileK: block };
    using all = await planFromLists(device, shape, { tiles });
    const allMs = await time((d) => attention(d, q, k, v, { plan: all }));
    add({ length, what: `everything in ${block} x ${block}`, ms: allMs, roof: share(allMs, 1), speedUp: denseMs / allMs });
  }
  for (const [what, { planner, paper }] of Object.entries(METHODS)) {
    if (values.methods && !values.methods.split(",").includes(what)) continue;
    try {
      using inner = device.scope();
      const plan = planner.plan(inner, q, k);
      const ms = await time((d) => attention(d, q, k, v, { plan }));
      const planMs = plan.kind === "dense" ? 0 : await time((d) => planner.plan(d, q, k));
      // Reading back the lists of 128k tokens takes longer than everything else.
      const density = length <= 32768 ? await plan.density() : undefined;
      add({
        length,
        what,
        ms,
        planMs,
        ...(density !== undefined && { density, roof: share(ms, density) }),
        speedUp: denseMs / ms,
        withPlan: denseMs / (ms + planMs),
        paper,
      });
    } catch (error) {
      console.log(`${String(length).padStart(7)}  ${what}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}
const record = { machine: machine(), adapter, variants, roofTflops: roof, heads, kvHeads, dim, rows };
if (values.json) console.log(JSON.stringify(record, null, 2));
if (values.out) writeFileSync(values.out, `${JSON.stringify(record, null, 2)}\n`);
device.dispose();
