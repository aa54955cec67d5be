/**
 * Bundles the worker's module into text, for runtimes that may not read its files: `bun sdk/device/worker/build.ts`.
 * With `--check` it only compares.
 *
 * @module
 */
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const FOLDER = new URL("./", import.meta.url);
const ROOT = new URL("../../../", FOLDER);
const TARGET = new URL("bundle.js", FOLDER);

/**
 * Bundles the worker's module.
 *
 * @returns The text of `bundle.js`.
 * @throws Error if Bun is not installed or fails.
 */
export async function bundleWorker(): Promise<string> {
  const args = [
    "build",
    "sdk/device/worker/device_worker.ts",
    "--target=browser",
    "--minify",
    "--external",
    "./pkg/*",
  ];
  const bun = fileURLToPath(new URL("node_modules/.bin/bun", ROOT));
  const options = { cwd: fileURLToPath(ROOT), maxBuffer: 1 << 24 };
  const run = promisify(execFile);
  const { stdout } = await run(bun, args, options).catch((error) => {
    if (error?.code === "ENOENT") return run("bun", args, options);
    throw error;
  });
  return `// Made by build.ts from device_worker.ts.\nexport const source = ${JSON.stringify(stdout)};\n`;
}

if (import.meta.main) {
  const text = await bundleWorker();
  if (!process.argv.includes("--check")) {
    await writeFile(TARGET, text);
  } else if (await readFile(TARGET, "utf8").catch(() => "") !== text) {
    console.error("sdk/device/worker/bundle.js is out of date: run bun sdk/device/worker/build.ts");
    process.exitCode = 1;
  }
}
