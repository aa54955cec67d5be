/**
 * One pass of the default weights over a table on WebGPU, beside the WASM device of the same machine.
 *
 * Run: `deno run -A webgpu_tabular.ts [--train 1000] [--test 1000] [--features 20] [--threads 2] [--runs 5] [--json]` in `bench/`.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { openWebGPU } from "../gpu/mod.ts";
import { createDevice, openDevice } from "../sdk/device/mod.ts";
import { loadWeights } from "../tabular/classifier/weights_source.ts";
import { OrionMSP } from "../tabular/model/orion_msp.ts";
import { normals, random } from "./random.ts";
import { machine, measure, show, type Spread } from "./stats.ts";

const { values } = parseArgs({
  options: {
    train: { type: "string", default: "1000" },
    test: { type: "string", default: "1000" },
    features: { type: "string", default: "20" },
    threads: { type: "string", default: "2" },
    runs: { type: "string", default: "5" },
    json: { type: "boolean" },
  },
});
const [train, test, features, threads, runs] = [values.train, values.test, values.features, values.threads, values.runs].map(Number) as [number, number, number, number, number];
const next = random(1);
const x = { data: normals(next, (train + test) * features), shape: [1, train + test, features] };
const y = { data: Float32Array.from({ length: train }, (_, i) => x.data[i * features]! + x.data[i * features + 1]! > 0 ? 1 : 0), shape: [1, train] };
const { bytes } = await loadWeights(undefined, undefined);

const times: Record<string, Spread> = {};
const results: Float32Array[] = [];
let adapter = "";
let readbacks = 0;
for (const kind of ["webgpu", "wasm"] as const) {
  const gpu = kind === "webgpu" ? await openWebGPU({ software: true }) : undefined;
  if (gpu) {
    adapter = gpu.report.adapter;
    const read = gpu.read.bind(gpu);
    gpu.read = (...args) => {
      readbacks++;
      return read(...args);
    };
  }
  const device = gpu ? createDevice(gpu) : await openDevice({ prefer: kind, threads });
  const model = await OrionMSP.fromSafetensors(bytes, { device });
  readbacks = 0;
  results.push((await model.forward(x, y)).data);
  if (gpu && readbacks !== 1) throw new Error(`A pass read back ${readbacks} times, expected once at its end`);
  times[kind] = await measure(() => model.forward(x, y), runs);
  model.dispose();
  device.dispose();
}
const [a, b] = results as [Float32Array, Float32Array];
const difference = a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);
const { webgpu, wasm } = times as { webgpu: Spread; wasm: Spread };
const ratio = wasm.median / webgpu.median;
if (values.json) console.log(JSON.stringify({ machine: machine(), adapter, train, test, features, threads, webgpu, wasm, ratio, difference }));
else {
  console.log(`One pass of the default weights, ${train} + ${test} rows x ${features}, one readback at the end\n${machine()}; ${adapter}\n`);
  console.log(`WebGPU               ${show(webgpu)}\nWASM, ${threads} threads      ${show(wasm)}\nratio                ${ratio.toFixed(1)}\nlargest difference   ${difference.toExponential(1)} of a logit`);
}
