/**
 * From process start to the first answer: of a handler without a model, and of the edge function, which loads the weights and a fitted context; and how large their bundles are.
 *
 * Run: `deno run -A cold_start_server.ts [--json] [--runs 10]` in `bench/`; times the runtime that runs it.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import process from "node:process";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { bundleEdge } from "../examples/edge_build.ts";
import { sizeOf } from "../.ci/check_size.ts";
import { stop } from "esbuild";
import { machine, show, spread } from "./stats.ts";

const { values } = parseArgs({ args: process.argv.slice(2), options: { json: { type: "boolean" }, runs: { type: "string", default: "10" } } });
const scripts = { handler: "cold_start_handler.ts", edge: "cold_start_edge.ts", empty: "cold_start_empty.ts" };
const times: Record<string, number[]> = { handler: [], edge: [], empty: [] };
const args = process.versions["deno"] ? ["run", "-A", "--no-check"] : [];
for (let run = -1; run < Number(values.runs); run++) {
  for (const [name, script] of Object.entries(scripts)) {
    const begin = performance.now();
    const child = spawnSync(process.execPath, [...args, fileURLToPath(new URL(script, import.meta.url))], { encoding: "utf8" });
    const ms = performance.now() - begin;
    if (child.status !== 0) throw new Error(`Cannot time ${script}: ${child.stderr}`);
    if (run >= 0) times[name]!.push(ms); // The first round fills the runtime's caches.
  }
}
const sizes: Record<string, number> = {};
for (const entry of ["mod.ts", "csv.ts", "openapi.ts", "page/mod.ts", "stores/directory.ts", "stores/deno_kv.ts"]) {
  sizes[`sdk/server/${entry}`] = (await sizeOf(`sdk/server/${entry}`)).gzip;
}
for (const [name, bytes] of await bundleEdge()) sizes[`edge function: ${name}`] = gzipSync(bytes, { level: 9 }).length;
await stop();

const result = Object.fromEntries(Object.entries(times).map(([name, list]) => [name, spread(list)]));
if (values.json) console.log(JSON.stringify({ machine: machine(), ...result, sizes }));
else {
  console.log(`Cold start: process start to exit\n${machine()}, median of ${values.runs} (range)\n`);
  console.log(`handler without a model, /health             ${show(result["handler"]!)}`);
  console.log(`edge function, first prediction              ${show(result["edge"]!)}`);
  console.log(`the runtime alone                            ${show(result["empty"]!)}\n`);
  for (const [name, bytes] of Object.entries(sizes)) console.log(`${name.padEnd(34)} ${(bytes / 1024).toFixed(1).padStart(8)} KiB gzipped`);
}
