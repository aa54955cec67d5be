/**
 * Attention by plans beside dense attention of the same device and of onnxruntime-web, one thread, in one run.
 *
 * Run: `deno run -A attention.ts` or `bun attention.ts` in `bench/`, with `--length 16384`, `--threads 1`, `--json`.
 *
 * @module
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { attention, planFromLists } from "../sdk/attention/mod.ts";
import type { Plan } from "../sdk/attention/mod.ts";
import { structured } from "../sdk/compare/structured.ts";
import { type Device, openDevice, type Tensor } from "../sdk/device/mod.ts";
import { anchorAttention } from "../sdk/methods/anchor_attention.ts";
import { flexPrefill } from "../sdk/methods/flex_prefill.ts";
import { minference } from "../sdk/methods/minference.ts";
import type { Planner } from "../sdk/methods/planner.ts";
import { openRoof } from "./gemm_roof.ts";
import { onnxAttention, onnxAttentionSteps } from "./onnx_models.ts";
import { normals, random } from "./random.ts";
import { machine, measure, show, spread, type Spread } from "./stats.ts";

const { values } = parseArgs({
  options: {
    json: { type: "boolean" },
    length: { type: "string", default: "16384" },
    threads: { type: "string", default: "1" },
  },
});
const HEADS = 8;
const DIM = 64;
/** Where onnxruntime-web's score matrix fits, in steps and in its fused operation. */
const SHORT = 4096;
const FUSED = 3072;
const length = Number(values.length);
/** Multiply-adds count twice; q k^T and p v. */
const flops = (pairs: number): number => 4 * HEADS * DIM * pairs;
const triangle = (n: number): number => n * (n + 1) / 2;

const device = await openDevice({ prefer: "wasm", threads: Number(values.threads) });
const next = random(3);

/** Settings that give plans of about a tenth on this sample; found by trial. */
const planners: Record<string, Planner> = {
  minference: minference({ patterns: Array.from({ length: HEADS }, () => ["vertical_and_slash", 200, 150]) }),
  flexPrefill: flexPrefill({ gamma: 0.8, minBudget: 512 }),
  anchorAttention: anchorAttention({ step: 8, theta: 4 }),
};

interface Inputs {
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
}

function upload(d: Device, n: number): Inputs {
  const sample = structured({ length: n, heads: HEADS, headDim: DIM });
  const shape = [HEADS, n, DIM];
  return { q: d.tensor(sample.q, shape), k: d.tensor(sample.k, shape), v: d.tensor(sample.v, shape) };
}

/** Times attention; on this device a call returns when it is done. */
function time({ q, k, v }: Inputs, options: { plan?: Plan; causal?: boolean }, runs: number): Promise<Spread> {
  return measure(() => attention(device, q, k, v, options).out.dispose(), runs);
}

/** All tiles of the lower triangle, or a share of them with the diagonal. */
function tilesPlan(n: number, block: number, share: number): Promise<Plan> {
  const blocks = Math.ceil(n / block);
  const heads = share < 1 ? HEADS : 1;
  const tiles = Array.from({ length: heads }, () =>
    Array.from({ length: blocks }, (_, r) =>
      Array.from({ length: r + 1 }, (_, c) => c * block).filter((start) => start === r * block || next() < share)));
  return planFromLists(device, { heads: HEADS, lq: n, lk: n, causal: true, blockQ: block, tileK: block }, { tiles });
}

/** Column lists of a tenth of the keys shared by 2048 queries, as AnchorAttention makes them, and the local window. */
function stripesPlan(n: number): Promise<Plan> {
  const [block, step] = [128, 16];
  const groups = Math.ceil(n / block / step);
  const columns = Array.from({ length: HEADS }, () =>
    Array.from({ length: groups }, (_, g) =>
      Array.from({ length: Math.max(0, g * step * block - 2 * block) }, (_, j) => j + block).filter(() => next() < 0.1)));
  const tiles = Array.from({ length: Math.ceil(n / block) }, (_, r) => r === 0 ? [0] : [0, r * block]);
  const columnOf = Array.from({ length: Math.ceil(n / block) }, (_, r) => Math.floor(r / step));
  const shape = { heads: HEADS, lq: n, lk: n, causal: true, blockQ: block, tileK: block };
  return planFromLists(device, shape, { tiles: [tiles], columns, columnOf: [columnOf] });
}

/** onnxruntime-web's attention, one thread: its fused operation, which overflows from 4096 tokens on, or the same in three steps. */
async function peer(n: number, fused: boolean): Promise<() => Promise<void>> {
  const ort = await import("onnxruntime-web/wasm");
  ort.env.wasm.numThreads = 1;
  const model = fused ? onnxAttention(n, HEADS, DIM, false) : onnxAttentionSteps(n, HEADS, DIM);
  const session = await ort.InferenceSession.create(model, { executionProviders: ["wasm"] });
  const tensor = (shape: number[]) => new ort.Tensor("float32", normals(next, n * HEADS * DIM), shape);
  const rows = fused ? [1, n, HEADS * DIM] : [HEADS, n, DIM];
  const feeds = { q: tensor(rows), k: tensor(fused ? rows : [HEADS, DIM, n]), v: tensor(rows) };
  return async () => void await session.run(feeds);
}

interface Line {
  readonly name: string;
  readonly ms: Spread;
  readonly beside?: string;
}
const lines: Line[] = [];
function add(name: string, ms: Spread, beside?: string): void {
  lines.push({ name, ms, ...(beside !== undefined && { beside }) });
  if (!values.json) console.log(`${name.padEnd(58)} ${show(ms).padStart(28)}  ${beside ?? ""}`);
}
const times = (a: Spread, b: Spread): string => `${(a.median / b.median).toFixed(2)}x`;

if (!values.json) console.log(`Attention of ${HEADS} heads of ${DIM} on ${machine()}, ${device.report.adapter}\n`);
const roofFlops = 2e9;
const roof = await measure(await openRoof("relaxed", roofFlops), 5);
const roofSpeed = roofFlops / roof.median / 1e6;
const share = (ms: Spread, pairs: number): string => `${(100 * flops(pairs) / ms.median / 1e6 / roofSpeed).toFixed(0)} % of the roof`;
add(`roof of one thread: ${roofSpeed.toFixed(1)} GFLOP/s`, roof);

{
  using scope = device.scope();
  const inputs = upload(scope, SHORT);
  const dense = await time(inputs, {}, 3);
  const causal = await time(inputs, { causal: true }, 3);
  add(`dense, ${SHORT} tokens`, dense, share(dense, SHORT * SHORT));
  try {
    const steps = await measure(await peer(SHORT, false), 3);
    add(`onnxruntime-web in three steps, ${SHORT} tokens`, steps, `ours is ${times(steps, dense)} as fast`);
    const fused = await measure(await peer(FUSED, true), 3);
    const ours = await time(upload(scope, FUSED), {}, 3);
    add(`dense, ${FUSED} tokens`, ours, share(ours, FUSED * FUSED));
    add(`onnxruntime-web fused, ${FUSED} tokens`, fused, `ours is ${times(fused, ours)} as fast`);
  } catch (error) {
    console.log(`onnxruntime-web: ${error instanceof Error ? error.message : String(error)}`);
  }
  add(`causal, ${SHORT} tokens`, causal, share(causal, triangle(SHORT)));
  for (const block of [64, 128]) {
    using plan = await tilesPlan(SHORT, block, 1);
    const all = await time(inputs, { plan }, 3);
    add(`plan of everything in ${block} x ${block}, ${SHORT} tokens`, all, `${times(all, causal)} the time of dense`);
  }
}

{
  using scope = device.scope();
  const inputs = upload(scope, length);
  const dense = await measure(() => attention(device, inputs.q, inputs.k, inputs.v, { causal: true }).out.dispose(), 1, 0);
  add(`causal, ${length} tokens`, dense, share(dense, triangle(length)));
  const given = async (name: string, plan: Plan): Promise<Spread> => {
    const density = await plan.density();
    const ms = await time(inputs, { plan }, 3);
    add(`${name}, density ${(100 * density).toFixed(1)} %`, ms, `${times(dense, ms)} as fast as dense given the plan, ${share(ms, triangle(length) * density)}`);
    return ms;
  };
  for (const block of [64, 128]) {
    using plan = await tilesPlan(length, block, 0.095);
    await given(`random tiles of ${block}`, plan);
  }
  {
    using plan = await stripesPlan(length);
    await given("shared stripes", plan);
  }
  for (const [name, planner] of Object.entries(planners)) {
    using plan = planner.plan(device, inputs.q, inputs.k);
    const attend = await given(name, plan);
    const making = await measure(() => planner.plan(device, inputs.q, inputs.k).dispose(), 3);
    const both = spread([making.median + attend.median]);
    add(`${name}, its plan`, making, `${times(dense, both)} as fast as dense with planning`);
  }
}
if (values.json) console.log(JSON.stringify({ machine: machine(), device: device.report.adapter, lines }, null, 2));
device.dispose();
