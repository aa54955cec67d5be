/**
 * Checks the npm package from outside: builds and packs it, installs it in an empty project, imports it in Deno and in
 * Bun, predicts with it, and lets a consumer's types be checked.
 *
 * @module
 */

import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { buildPackage, dist } from "./build_package.ts";
import { deno, findBun, run } from "./command.ts";

const PROGRAM = `
import { OrionMSPClassifier, openDevice } from "filigree";
import { OrionMSPClassifier as Same } from "filigree/tabular";
import { createHandler } from "filigree/server";

if (OrionMSPClassifier !== Same) throw new Error("The package holds the classifier twice");
const device = await openDevice({ offThread: true });
const classifier = await OrionMSPClassifier.load({ device, nEstimators: 1 });
const train = [1, 1.1, 1.2, 5, 5.1, 5.2].map((a) => ({ a, label: a < 3 ? "low" : "high" }));
const app = createHandler({ classifier });
const response = await app.request("/v1/tabular/predict", {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ train, target: "label", rows: [{ a: 1.05 }] }),
});
const body = await response.json();
if (body.classes?.join() !== "high,low") throw new Error(JSON.stringify(body));
classifier.dispose();
device.dispose();

// There may be no GPU here, but its kernels must be in the package.
const gpu = await openDevice({ prefer: "webgpu" });
const [attempt] = gpu.report.tried;
if (/load|import|module|wgsl/i.test(attempt.reason)) throw new Error(attempt.reason);
gpu.dispose();
console.log("package works", attempt.ok ? "with WebGPU" : attempt.reason);
`;

/** Runs a command; gives what it printed behind the expected text. */
async function step(command: readonly string[], cwd: string, expected = ""): Promise<string> {
  const { code, output } = await run(command, { cwd });
  if (code !== 0 || !output.includes(expected)) throw new Error(`"${command.join(" ")}" failed:\n${output}`);
  return output.slice(output.lastIndexOf(expected) + expected.length).trim();
}

const folder = mkdtempSync(join(tmpdir(), "filigree-package-"));
try {
  const modules = await buildPackage();
  await step(["npm", "pack", "--pack-destination", folder], dist);
  const tarball = readdirSync(folder).find((name) => name.endsWith(".tgz")) ?? "";
  const size = statSync(join(folder, tarball)).size;
  writeFileSync(join(folder, "package.json"), '{ "type": "module", "private": true }\n');
  writeFileSync(join(folder, "main.ts"), PROGRAM);
  await step(["npm", "install", "--no-audit", "--no-fund", `./${tarball}`], folder);
  const inDeno = await step(
    [deno, "run", "--allow-read", "--no-lock", "--node-modules-dir=manual", "main.ts"],
    folder,
    "package works",
  );
  const inBun = await step([...await findBun(), "main.ts"], folder, "package works");
  await step([deno, "check", "--no-lock", "--node-modules-dir=manual", "main.ts"], folder);
  console.log(
    `The package (${modules} modules, ${
      (size / 2 ** 20).toFixed(1)
    } MiB packed) works in Deno (${inDeno}) and in Bun (${inBun})`,
  );
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
