/**
 * The gate: everything that must hold before a change is merged, in order, stopping at the first failure.
 *
 * With `--from NAME` it starts at a step; `--only NAME` runs one.
 *
 * @module
 */

import { existsSync } from "node:fs";
import process from "node:process";
import { parseArgs } from "node:util";
import { deno, findBun, root, run } from "./command.ts";

interface Step {
  name: string;
  command: string[];
  /** What to do when the step fails. */
  hint: string;
  /** A file without which the step is left out. */
  needs?: string;
  /** A program without which the step is left out, and how to get it. */
  program?: { name: string; get: string };
}

const script = (file: string): string[] => [deno, "run", "-A", file];

const STEPS: Step[] = [
  { name: "format", command: [deno, "fmt", "--check"], hint: "run: deno task fmt" },
  { name: "lint", command: [deno, "lint"], hint: "fix the lines named above, or run: deno lint --fix" },
  { name: "types", command: [deno, "check"], hint: "fix the types named above" },
  { name: "docs", command: script(".ci/check_docs.ts"), hint: "document every public symbol" },
  {
    name: "direction",
    command: script(".ci/check_direction.ts"),
    hint: "imports point one way: server, cli -> tabular, lm -> methods, cache -> attention -> device",
  },
  { name: "exports", command: script(".ci/check_exports.ts"), hint: "make package.json and deno.json agree" },
  {
    name: "wasm",
    command: script("wasm/check.ts"),
    needs: "wasm/check.ts",
    hint: "the committed kernels differ from their sources; run: deno task wasm",
  },
  {
    name: "wgsl",
    command: script(".ci/check_wgsl.ts"),
    program: { name: "naga", get: "cargo install naga-cli --locked --version 30.0.1" },
    hint: "correct the kernels named above; line numbers are those of the expanded text",
  },
  {
    name: "worker",
    command: [...await findBun(), "sdk/device/worker/build.ts", "--check"],
    needs: "sdk/device/worker/build.ts",
    hint: "run: bun sdk/device/worker/build.ts",
  },
  {
    name: "page",
    command: [...script("sdk/server/page/build.ts"), "--check"],
    hint: "run: deno run -A sdk/server/page/build.ts",
  },
  {
    name: "weights",
    command: [...script("tabular/weights/inline.ts"), "--check"],
    needs: "tabular/weights/inline.ts",
    hint: "run: deno run -A tabular/weights/inline.ts",
  },
  {
    name: "size",
    command: script(".ci/check_size.ts"),
    hint: "the server's modules must stay small; look for an import that brings much",
  },
  { name: "tests on Deno", command: [deno, "task", "test"], hint: "deno task test FILE runs one file" },
  {
    name: "tests on Bun",
    command: [...await findBun(), "test", "--timeout", "120000"],
    hint: "bun test FILE runs one file",
  },
  {
    name: "examples in docs",
    command: [deno, "test", "-A", "--doc", "mod.ts", "tabular/mod.ts"],
    hint: "the examples in doc comments must run",
  },
  {
    name: "publish",
    command: [deno, "publish", "--dry-run", "--allow-dirty"],
    hint: "what deno.json publishes must be complete",
  },
  {
    name: "package",
    command: script(".ci/check_package.ts"),
    hint: "the npm package must work from outside",
  },
];

const { values } = parseArgs({ options: { from: { type: "string" }, only: { type: "string" } } });
const first = values.from === undefined ? 0 : STEPS.findIndex(({ name }) => name === values.from);
const chosen = STEPS.slice(first).filter(({ name }) => values.only === undefined || name === values.only);
if (first < 0 || chosen.length === 0) {
  console.error(`There is no such step; the steps are: ${STEPS.map(({ name }) => name).join(", ")}`);
  process.exit(2);
}
for (const { name, command, hint, needs, program } of chosen) {
  if (needs !== undefined && !existsSync(root + needs)) {
    console.log(`${name.padEnd(18)} left out: ${needs} is not there`);
    continue;
  }
  if (program && !await isInstalled(program.name)) {
    console.log(`${name.padEnd(18)} left out: ${program.name} is not installed (${program.get})`);
    continue;
  }
  const start = performance.now();
  const { code, output } = await run(command);
  const time = `${((performance.now() - start) / 1000).toFixed(1)} s`;
  if (code !== 0) {
    console.error(`${output.trimEnd()}\n\n${name.padEnd(18)} FAILED (${time}): ${hint}`);
    process.exit(1);
  }
  console.log(`${name.padEnd(18)} ok (${time})${summary(output)}`);
}
console.log("All good");

async function isInstalled(program: string): Promise<boolean> {
  const { code } = await run([program, "--version"]).catch(() => ({ code: 1 }));
  return code === 0;
}

/** The last line of a checker's output or a test runner's count. */
function summary(output: string): string {
  const lines = output.trim().split("\n").map((line) => line.trim());
  const counts = lines.filter((line) => /^(?:ok \||\d+ pass)/.test(line)).at(-1);
  const last = lines.at(-1) ?? "";
  const text = counts ?? (last.length < 100 && !/^Checked|^Check |^$/.test(last) ? last : "");
  return text ? `  ${text}` : "";
}
