/**
 * Every benchmark, one after another, on the runtime that runs this: `deno task bench` or `bun bench/main.ts`.
 * Arguments are handed on (`--threads 2`, `--python PATH` of a Python with PyTorch).
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import process from "node:process";

const own: Readonly<Record<string, readonly string[]>> = {
  "gemm.ts": [],
  "attention.ts": ["--length", "--threads"],
  "decode.ts": ["--length", "--threads"],
  "offload.ts": ["--length", "--threads"],
  "generate.ts": ["--length", "--threads"],
  "forward.ts": ["--threads", "--python", "--runs"],
  "warm_predict.ts": ["--threads"],
  "cold_start.ts": ["--runs"],
};
const start = process.versions["deno"] ? ["run", "-A", "--no-check"] : [];
let failed = false;
for (const [script, options] of Object.entries(own)) {
  const given = process.argv.slice(2);
  const args = given.flatMap((argument, i) => options.includes(argument) ? [argument, given[i + 1] ?? ""] : []);
  const path = fileURLToPath(new URL(script, import.meta.url));
  const { status } = spawnSync(process.execPath, [...start, path, ...args], { stdio: "inherit", cwd: fileURLToPath(new URL(".", import.meta.url)) });
  failed ||= status !== 0;
  console.log();
}
process.exitCode = failed ? 1 : 0;
