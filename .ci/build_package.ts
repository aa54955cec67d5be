/**
 * Builds the npm package into `dist/`: every module that an export reaches, as JavaScript with types.
 *
 * @module
 */

import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, relative } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { deno, root, run } from "./command.ts";

interface Manifest {
  exports: Record<string, string>;
  dependencies: Record<string, string>;
  [key: string]: unknown;
}

/** The folder of the built package. */
export const dist: string = `${root}dist/`;

/**
 * Builds the package anew.
 *
 * @returns The number of modules in it.
 * @throws {Error} If a module does not compile.
 */
export async function buildPackage(): Promise<number> {
  rmSync(dist, { recursive: true, force: true });
  const manifest = JSON.parse(readFileSync(`${root}package.json`, "utf8")) as Manifest;
  const { modules, packages } = await reach(Object.values(manifest.exports));

  const sources = modules.filter((file) => file.endsWith(".ts"));
  const { code, output } = await run([deno, "transpile", "--declaration", "--outdir", "dist", ...sources]);
  if (code !== 0) throw new Error(`Cannot compile the package:\n${output}`);
  for (const file of sources.flatMap((path) => [path.replace(/ts$/, "js"), path.replace(/ts$/, "d.ts")])) {
    writeFileSync(dist + file, withJsExtensions(readFileSync(dist + file, "utf8")));
  }
  for (const file of modules.filter((path) => path.endsWith(".js"))) {
    for (const path of [file, file.replace(/js$/, "d.ts")]) {
      if (!existsSync(root + path)) continue;
      mkdirSync(dirname(dist + path), { recursive: true });
      copyFileSync(root + path, dist + path);
    }
  }
  for (const file of ["README.md", "LICENSE", "CHANGELOG.md"]) {
    if (existsSync(root + file)) copyFileSync(root + file, dist + file);
  }
  writeFileSync(`${dist}package.json`, `${JSON.stringify(published(manifest, packages), null, 2)}\n`);
  return modules.length;
}

/** Finds the project's modules and the packages that some modules import, directly or not, at once or later. */
async function reach(entries: readonly string[]): Promise<{ modules: string[]; packages: Set<string> }> {
  const modules = new Set<string>();
  const packages = new Set<string>();
  for (const entry of entries) {
    const { code, output } = await run([deno, "info", "--json", entry]);
    if (code !== 0) throw new Error(`Cannot read the modules of ${entry}:\n${output}`);
    const graph = JSON.parse(output.slice(output.indexOf("{"), output.lastIndexOf("}") + 1)) as {
      modules: { specifier: string; error?: string }[];
    };
    for (const { specifier, error } of graph.modules) {
      if (error) throw new Error(`Cannot read ${specifier}: ${error}`);
      if (!specifier.startsWith("file:")) continue;
      const file = relative(root, fileURLToPath(specifier));
      const name = /node_modules\/(?!\.deno\/)((?:@[^/]+\/)?[^/]+)\/(?!.*node_modules)/.exec(file)?.[1];
      if (name) packages.add(name);
      else if (!file.endsWith(".d.ts")) modules.add(file);
    }
  }
  for (const file of modules) {
    for (const [, name] of readFileSync(root + file, "utf8").matchAll(/from "([a-z@][^"./]*)/g)) {
      if (name && !name.startsWith("node:")) packages.add(name);
    }
  }
  return { modules: [...modules].sort(), packages };
}

function withJsExtensions(code: string): string {
  return code.replace(/((?:\bfrom|\bimport)\s*\(?\s*["']\.[^"'\n]*)\.ts(["'])/g, "$1.js$2");
}

function published(manifest: Manifest, packages: ReadonlySet<string>): Record<string, unknown> {
  const { name, version, description, keywords, license, author } = manifest;
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
