/**
 * Holds the direction of dependencies: server, cli -> tabular, lm -> methods, cache -> attention -> device, weights <- gpu, wasm.
 *
 * @module
 */

import { readdirSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import process from "node:process";
import { root } from "./command.ts";

const BASE = ["sdk/device", "sdk/weights"];
const ATTENTION = ["sdk/attention", "sdk/golden", ...BASE];
const METHODS = ["sdk/methods", "sdk/cache", ...ATTENTION];
const MODELS = ["tabular", "sdk/lm", "sdk/train", ...METHODS];

/** Which rooms a room may import from; its own files are always allowed. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  "sdk/weights": ["sdk/device"],
  "sdk/device": ["sdk/weights"],
  "gpu": BASE,
  "wasm": BASE,
  "sdk/attention": BASE,
  "sdk/methods/golden": ["sdk/compare", "sdk/train", ...METHODS],
  "sdk/methods": ATTENTION,
  "sdk/cache": ["sdk/methods", ...ATTENTION],
  "sdk/compare": ["sdk/testing", ...METHODS],
  "sdk/train": ["sdk/methods", ...ATTENTION],
  "sdk/lm": METHODS,
  "tabular": METHODS,
  "sdk/csv": [],
  "sdk/server/page": ["sdk/server", "sdk/cli", "sdk/csv"],
  "sdk/server": ["sdk/csv", ...MODELS],
  "sdk/cli": ["sdk/csv", "sdk/compare", "wasm", "package.json", ...MODELS],
  "sdk/testing": [],
  "sdk/golden": BASE,
  "examples": ["sdk", "tabular", "wasm", "mod.ts"],
  "bench": ["sdk", "tabular", "wasm", "gpu", "mod.ts", "examples", ".ci/check_size.ts"],
  ".ci": ["sdk", "gpu/kernels/variants.ts"],
  "mod.ts": ["sdk", "tabular"],
};

/** Packages that a room may use; all others have none at run time. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  "sdk/csv": ["csv-parse"],
  "sdk/server/page": ["hono", "esbuild"],
  "sdk/server": ["hono", "valibot"],
  "sdk/lm": ["@huggingface/tokenizers", "@huggingface/jinja"],
  "sdk/testing": ["deno-std"],
  "gpu": ["@webgpu/types", "bun-webgpu"],
  "examples": ["esbuild", "openai"],
  "bench": ["onnxruntime-web", "mitata", "esbuild"],
  ".ci": ["filigree", "esbuild"],
};

/** Tests, their helpers, and the cases that every device must pass. */
const TESTS = /_test\.ts$|\/_[a-z_]*test[a-z_]*\.ts$|\/testdata\/|^sdk\/device\/conformance\//;

/** The one file that picks a device, and so knows those that exist. */
const PICKER = "sdk/device/open_device.ts";

/**
 * Finds the imports that go against the direction.
 *
 * @param files Sources by path from the root.
 * @returns One line for each.
 */
export function findViolations(files: Readonly<Record<string, string>>): string[] {
  const violations: string[] = [];
  for (const [file, source] of Object.entries(files)) {
    const room = roomOf(file);
    if (room === undefined) {
      violations.push(`${file}: this folder has no rule; add it to .ci/check_direction.ts`);
      continue;
    }
    const isTest = TESTS.test(file);
    for (const specifier of importsOf(source)) {
      if (specifier.startsWith("node:")) continue;
      if (!specifier.startsWith(".")) {
        const name = /^(?:npm:)?((?:@[^/]+\/)?[^@/]+)/.exec(specifier)?.[1] ?? specifier;
        if (!isTest && !PACKAGES[room]?.includes(name)) {
          violations.push(`${file}: uses the package "${name}"`);
        }
        continue;
      }
      const target = posix.normalize(posix.join(posix.dirname(file), specifier));
      const targetRoom = roomOf(target);
      if (target.startsWith(`${room}/`) || (file === PICKER && ["gpu", "wasm"].includes(targetRoom ?? ""))) {
        continue;
      }
      if (isTest || allowed(room, target)) continue;
      violations.push(`${file}: may not import ${target}`);
    }
  }
  return violations;
}

function allowed(room: string, target: string): boolean {
  return (ROOMS[room] ?? []).some((other) => target === other || target.startsWith(`${other}/`));
}

function roomOf(file: string): string | undefined {
  return Object.keys(ROOMS).find((room) => file === room || file.startsWith(`${room}/`));
}

function importsOf(source: string): string[] {
  const code = source.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
  const pattern = /(?:^|[\s;}])(?:import|from)\s*\(?\s*"([^"\n$ ]+)"/g;
  return [...code.matchAll(pattern)].map((match) => match[1] as string);
}

/** Folders without modules of ours, or with generated ones. */
const SKIP = /(^|\/)(node_modules|dist|coverage|target|pkg|pretrain|\.git|\.venv)$/;

function readTree(folder = ""): Record<string, string> {
  const files: Record<string, string> = {};
  for (const entry of readdirSync(`${root}${folder}`, { withFileTypes: true })) {
    const path = folder + entry.name;
    if (entry.isDirectory()) {
      if (!SKIP.test(path)) Object.assign(files, readTree(`${path}/`));
    } else if (path.endsWith(".ts")) {
      files[path] = readFileSync(root + path, "utf8");
    }
  }
  return files;
}

if (import.meta.main) {
  const files = readTree();
  const violations = findViolations(files);
  console.log(violations.join("\n") || `${Object.keys(files).length} modules import in the right direction`);
  process.exitCode = violations.length > 0 ? 1 : 0;
}
