/**
 * One row after `fit` on 400 rows x 30 features with the default weights, beside recomputing the whole pass.
 *
 * Run: `deno run -A warm_predict.ts [--json] [--threads 2]` in `bench/`.
 *
 * @module
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { openDevice } from "../sdk/device/mod.ts";
import { OrionMSPClassifier } from "../tabular/mod.ts";
import { normals, random } from "./random.ts";
import { machine, measure, show, type Spread } from "./stats.ts";

const { values } = parseArgs({ args: process.argv.slice(2), options: { json: { type: "boolean" }, threads: { type: "string", default: "2" } } });
const device = await openDevice({ prefer: "wasm", threads: Number(values.threads) });
const [rows, width] = [400, 30];
const numbers = normals(random(1), (rows + 1) * width);
const X = Array.from({ length: rows + 1 }, (_, i) => Array.from(numbers.subarray(i * width, (i + 1) * width)));
const y = X.slice(0, rows).map((row) => row[0]! + row[1]! * row[2]! > 0 ? "yes" : "no");
const one = X.slice(rows);

const results: { members: number; fit: Spread; whole: Spread; warm: Spread; ratio: number; contextMB: number }[] = [];
for (const nEstimators of [1, 8]) {
  const clf = await OrionMSPClassifier.load({ device, nEstimators });
  const fit = await measure(() => clf.fit(X.slice(0, rows), y), 3);
  // Without a context every answer costs a fit and a prediction.
  const whole = await measure(async () => {
    await clf.fit(X.slice(0, rows), y);
    await clf.predictProba(one);
  }, 3, 0);
  const warm = await measure(() => clf.predictProba(one), 50, 10);
  const contextMB = (await clf.save()).length / 1e6;
  results.push({ members: nEstimators, fit, whole, warm, ratio: whole.median / warm.median, contextMB });
  clf.dispose();
}
if (values.json) console.log(JSON.stringify({ machine: machine(), device: device.report.adapter, rows: results }));
else {
  console.log(`Predict one row after fit on ${rows} x ${width}, default weights\n${machine()}, ${device.report.adapter}\n`);
  for (const { members, whole, warm, ratio, contextMB } of results) {
    console.log(`${members} member${members > 1 ? "s" : " "}  warm ${show(warm).padEnd(26)} whole pass ${show(whole).padEnd(28)} ${ratio.toFixed(0)}x faster, context ${contextMB.toFixed(1)} MB`);
  }
}
device.dispose();
