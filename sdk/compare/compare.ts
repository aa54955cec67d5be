/**
 * Methods side by side on the same queries, keys and values: density, recall, error and time.
 *
 * @module
 */
import { attention } from "../attention/attention.ts";
import type { Plan } from "../attention/plan.ts";
import type { Device } from "../device/device.ts";
import { binary } from "../device/ops/binary.ts";
import { gather } from "../device/ops/gather.ts";
import { reduce } from "../device/ops/reduce.ts";
import { reshape } from "../device/ops/reshape.ts";
import { softmax } from "../device/ops/softmax.ts";
import type { Tensor } from "../device/tensor.ts";
import type { Planner } from "../methods/planner.ts";
import { headScores } from "../methods/scores.ts";
import type { Sample } from "./structured.ts";

/** What was measured of one method. */
export interface Row {
  readonly method: string;
  /** Kept fraction of the visible area. */
  readonly density: number;
  /** Kept share of dense attention's mass, mean over heads and sampled queries. */
  readonly recall: number;
  /** The most that as many keys per query can keep: of each sampled query the largest ones. */
  readonly oracle: number;
  /** Distance of the output from dense attention's, relative to the latter's norm. */
  readonly error: number;
  /** Making the plan, in milliseconds. */
  readonly planMs: number;
  /** Attention given the plan, in milliseconds. */
  readonly attendMs: number;
}

/** Results of {@linkcode compareMethods}. */
export interface Comparison {
  readonly length: number;
  readonly heads: number;
  readonly headDim: number;
  readonly causal: boolean;
  readonly device: string;
  /** Dense attention, in milliseconds. */
  readonly denseMs: number;
  readonly rows: readonly Row[];
}

/** Timed runs stop after so long. */
const ENOUGH_MS = 2000;

/** Options of {@linkcode compareMethods}. */
export interface CompareOptions {
  /** Timed runs of which the median counts. @default 3 */
  readonly repeats?: number;
  /** Queries whose attention is looked at exactly, evenly spread. @default 64 */
  readonly queries?: number;
  /** Gets every row as soon as it is there. */
  readonly onRow?: (row: Row) => void;
  /** Gives up between methods. */
  readonly signal?: AbortSignal;
}

/**
 * Compares planners with dense attention on a device, causal if the sample is.
 *
 * @param planners By the name that is shown.
 * @throws What a planner throws; the signal's reason if it is aborted.
 */
export async function compareMethods(
  device: Device,
  sample: Sample,
  planners: Readonly<Record<string, Planner>>,
  options: CompareOptions = {},
): Promise<Comparison> {
  const { repeats = 3, queries: count = 64, onRow, signal } = options;
  const { heads, kvHeads, length, headDim, causal = true } = sample;
  using scope = device.scope();
  const q = scope.tensor(sample.q, [heads, length, headDim]);
  const k = scope.tensor(sample.k, [kvHeads, length, headDim]);
  const v = scope.tensor(sample.v, [kvHeads, length, headDim]);
  const queries = Array.from(
    { length: Math.min(count, length) },
    (_, n) => Math.floor((n + 0.5) * length / Math.min(count, length)),
  );
  const truth = await exactRows(scope, q, k, queries, causal);
  const dense = attention(scope, q, k, v, { causal }).out;
  const denseMs = await median(scope, repeats, (s) => attention(s, q, k, v, { causal }).out);
  const rows: Row[] = [];
  for (const [method, planner] of Object.entries(planners)) {
    signal?.throwIfAborted();
    using inner = scope.scope();
    const plan = planner.plan(inner, q, k);
    const { out } = attention(inner, q, k, v, { plan, causal });
    const error = await distance(inner, out, dense);
    const attendMs = await median(inner, repeats, (s) => attention(s, q, k, v, { plan, causal }).out);
    const planMs = await median(inner, repeats, (s) => {
      const made = planner.plan(s, q, k);
      return made.matrix ?? q;
    });
    const shares = await sharesOf(plan, truth, queries);
    const row = { method, density: await plan.density(), ...shares, error, planMs, attendMs };
    rows.push(row);
    onRow?.(row);
    await device.flush(signal);
  }
  return { length, heads, headDim, causal, device: device.report.adapter, denseMs, rows };
}

/** Probabilities of some queries [heads][queries][length], by dense attention. */
async function exactRows(
  d: Device,
  q: Tensor,
  k: Tensor,
  queries: readonly number[],
  causal: boolean,
): Promise<Float32Array[][]> {
  using s = d.scope();
  const [heads, length, headDim] = q.shape as [number, number, number];
  const index = Int32Array.from(
    { length: heads * queries.length },
    (_, n) => Math.floor(n / queries.length) * length + queries[n % queries.length]!,
  );
  const picked = gather(
    s,
    reshape(s, q, [heads * length, headDim]),
    s.tensor(index, [heads, queries.length]),
  );
  const scores = headScores(s, picked, k, 1 / Math.sqrt(headDim));
  const lens = s.tensor(Int32Array.from(queries, (i) => causal ? i + 1 : length), [queries.length]);
  const all = await softmax(s, scores, { lens }).read();
  return Array.from(
    { length: heads },
    (_, h) =>
      queries.map((_, n) =>
        all.subarray((h * queries.length + n) * length, (h * queries.length + n + 1) * length)
      ),
  );
}

/** What a plan keeps of the mass of some queries, and what as many keys could keep. */
async function sharesOf(
  plan: Plan,
  truth: readonly (readonly Float32Array[])[],
  queries: readonly number[],
): Promise<{ recall: number; oracle: number }> {
  let [recall, oracle, count] = [0, 0, 0];
  for (const [h, byQuery] of (await plan.keysOf(queries)).entries()) {
    for (const [n, keys] of byQuery.entries()) {
      const row = truth[h]![n]!;
      for (const key of keys) recall += row[key]!;
      const best = row.slice().sort();
      for (let i = 0; i < keys.length; i++) oracle += best[best.length - 1 - i]!;
      count++;
    }
  }
  return { recall: recall / count, oracle: oracle / count };
}

/** |a - b| / |b| over all elements. */
async function distance(d: Device, a: Tensor, b: Tensor): Promise<number> {
  using s = d.scope();
  const norm = (x: Tensor): Tensor => {
    const rows = reduce(s, "sum", binary(s, "mul", x, x));
    return reduce(s, "sum", reshape(s, rows, [rows.size]));
  };
  const [difference, whole] = [await norm(binary(s, "sub", a, b)).read(), await norm(b).read()];
  return Math.sqrt(difference[0]! / whole[0]!);
}

/** Median time of runs, each until its result could be read, less what a readback costs by itself. */
async function median(d: Device, repeats: number, run: (scope: Device) => Tensor): Promise<number> {
  const times: number[] = [];
  // What takes seconds is measured once: it varies little.
  for (let total = 0; times.length < repeats && total < ENOUGH_MS; total += times.at(-1)!) {
    using s = d.scope();
    const begin = performance.now();
    await firstOf(s, run(s));
    const readback = d.report.measured?.readbackMs ?? 0;
    times.push(Math.max(0, performance.now() - begin - readback));
  }
  return times.sort((a, b) => a - b)[Math.floor(times.length / 2)]!;
}

/** Waits for a result by reading its first element. */
async function firstOf(d: Device, x: Tensor): Promise<void> {
  const rows = reshape(d, x, [x.size, 1]);
  const first = gather(d, rows, d.tensor(Int32Array.of(0), [1]));
  await (first.dtype === "i32" ? first.read("i32") : first.read());
}
