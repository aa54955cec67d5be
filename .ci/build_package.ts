/**
 * Builds the npm package into `dist/`: every module that an export reaches, as JavaScript with types.
 *
 * @module
 */

import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { root, run } from "./command.ts";

interface Manifest {
  exports: Record<string, string>;
  dependencies: Record<string, string>;
  optionalDependencies: Record<string, string>;
  [key: string]: unknown;
}

/** The folder of the built package. */
export const dist: string = `${root}dist/`;

/** Modules that are started by their address, so that no import leads to them. */
const WORKERS = ["./sdk/device/worker/device_worker.ts"];

/** Types are checked by the gate's own step, with Deno's libraries; here they are only written. */
const COMPILER_OPTIONS = {
  target: "ES2023",
  lib: ["ESNext", "DOM", "DOM.Iterable"],
  module: "ESNext",
  moduleResolution: "bundler",
  rootDir: "..",
  outDir: ".",
  declaration: true,
  rewriteRelativeImportExtensions: true,
  verbatimModuleSyntax: true,
  strict: true,
  exactOptionalPropertyTypes: true,
  noCheck: true,
  types: [],
};

/**
 * Builds the package anew.
 *
 * @returns The number of modules in it.
 * @throws {Error} If a module does not compile.
 */
export async function buildPackage(): Promise<number> {
  rmSync(dist, { recursive: true, force: true });
  mkdirSync(dist);
  const manifest = JSON.parse(readFileSync(`${root}package.json`, "utf8")) as Manifest;
  const config = `${dist}tsconfig.json`;
  const files = [...Object.values(manifest.exports), ...WORKERS].map((file) => join("..", file));
  writeFileSync(config, JSON.stringify({ compilerOptions: COMPILER_OPTIONS, files }));
  const { code, output } = await run(["npx", "-y", "-p", "typescript@7.0.2", "tsc", "-p", config]);
  rmSync(config);
  if (code !== 0) throw new Error(`Cannot compile the package:\n${output}`);

  const packages = new Set<string>();
  const pending = readdirSync(dist, { recursive: true, encoding: "utf8" }).filter((file) =>
    /\.[jt]s$/.test(file)
  );
  for (const file of pending) {
    // The compiler leaves the extensions in declarations as they are.
    const code = readFileSync(dist + file, "utf8").replace(TS_EXTENSION, "$1.js$2");
    writeFileSync(dist + file, code);
    for (const specifier of importsOf(code)) {
      if (specifier.startsWith(".")) copyGenerated(join(dirname(file), specifier));
      else if (!specifier.startsWith("node:")) packages.add(/^(@[^/]+\/)?[^/]+/.exec(specifier)![0]);
    }
  }
  for (const file of ["README.md", "LICENSE", "CHANGELOG.md"]) {
    if (existsSync(root + file)) copyFileSync(root + file, dist + file);
  }
  writeFileSync(`${dist}package.json`, `${JSON.stringify(published(manifest, packages), null, 2)}\n`);
  return pending.filter((file) => file.endsWith(".js")).length;
}

const TS_EXTENSION = /((?:\bfrom|\bimport)\s*\(?\s*"\.[^"\n]*)\.ts(")/g;

function importsOf(code: string): string[] {
  const own = code.replace(/\/\*[\s\S]*?\*\//g, "");
  return [...own.matchAll(/(?:^|[\s;}])(?:import|from)\s*\(?\s*"([^"\n$ ]+)"/g)].map((match) =>
    match[1] as string
  );
}

/** Copies what is not compiled: JavaScript (the WASM kernels, the weights) with its types, and the text of GPU kernels. */
function copyGenerated(file: string): void {
  for (const path of [file, file.replace(/js$/, "d.ts")]) {
    if (existsSync(dist + path) || !existsSync(root + path)) continue;
    mkdirSync(dirname(dist + path), { recursive: true });
    copyFileSync(root + path, dist + path);
  }
}

function published(manifest: Manifest, packages: ReadonlySet<string>): Record<string, unknown> {
  const { name, version, description, keywords, license, author, optionalDependencies } = manifest;
  const exports = Object.fromEntries(
    Object.entries(manifest.exports).map(([path, file]) => [
      path,
      { types: file.replace(/ts$/, "d.ts"), default: file.replace(/ts$/, "js") },
    ]),
  );
  const dependencies = Object.fromEntries(
    Object.entries(manifest.dependencies).filter(([dependency]) => packages.has(dependency)),
  );
  return {
    name,
    version,
    description,
    keywords,
    license,
    author,
    type: "module",
    sideEffects: false,
    exports,
    dependencies,
    optionalDependencies,
  };
}

if (import.meta.main) {
  try {
    console.log(`Built ${await buildPackage()} modules into dist/`);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
