/**
 * From process start to the first prediction on iris from a saved context, beside `import` of onnxruntime-web plus session creation.
 *
 * Run: `deno run -A cold_start.ts [--json] [--runs 10]` in `bench/`; times the runtime that runs it.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import process from "node:process";
import { parseArgs } from "node:util";
import { readFileSync } from "node:fs";
import { readCsv } from "../sdk/csv/mod.ts";
import { OrionMSPClassifier } from "../tabular/mod.ts";
import { onnxMatmul } from "./onnx_models.ts";
import { machine, show, spread } from "./stats.ts";

const { values } = parseArgs({ args: process.argv.slice(2), options: { json: { type: "boolean" }, runs: { type: "string", default: "10" } } });
const folder = mkdtempSync(`${tmpdir()}/filigree-bench-`);
try {
  const iris = readCsv(new Uint8Array(readFileSync(new URL("../examples/data/iris.csv", import.meta.url))));
  const target = iris.columns.length - 1;
  const clf = await OrionMSPClassifier.load();
  await clf.fit(iris.rows.map((row) => row.slice(0, target)), iris.rows.map((row) => String(row[target])));
  writeFileSync(`${folder}/iris.context`, await clf.save());
  clf.dispose();
  writeFileSync(`${folder}/matmul.onnx`, onnxMatmul(8, 8, 8));

  const scripts = { ours: "cold_start_ours.ts", onnxruntime: "cold_start_onnxruntime.ts", empty: "cold_start_empty.ts" };
  const times: Record<string, number[]> = { ours: [], onnxruntime: [], empty: [] };
  for (let run = -1; run < Number(values.runs); run++) {
    for (const [name, script] of Object.entries(scripts)) {
      const begin = performance.now();
      const args = process.versions["deno"] ? ["run", "-A", "--no-check"] : [];
      const child = spawnSync(process.execPath, [...args, fileURLToPath(new URL(script, import.meta.url)), folder], { encoding: "utf8" });
      const ms = performance.now() - begin;
      if (child.status !== 0) throw new Error(`Cannot time ${script}: ${child.stderr}`);
      if (run >= 0) times[name]!.push(ms); // The first round fills the runtime's caches.
    }
  }
  const result = Object.fromEntries(Object.entries(times).map(([name, list]) => [name, spread(list)]));
  if (values.json) console.log(JSON.stringify({ machine: machine(), ...result }));
  else {
    console.log(`Cold start: process start to exit\n${machine()}, median of ${values.runs} (range)\n`);
    console.log(`Filigree: restore a context of iris, predict one row   ${show(result["ours"]!)}`);
    console.log(`onnxruntime-web: import, create a session              ${show(result["onnxruntime"]!)}`);
    console.log(`the runtime alone                                      ${show(result["empty"]!)}`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
