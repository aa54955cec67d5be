/**
 * Checks that package.json and deno.json agree on name, version, license and exports, and that every export exists.
 *
 * @module
 */

import { existsSync, readFileSync } from "node:fs";
import process from "node:process";
import { root } from "./command.ts";

interface Manifest {
  version: string;
  license: string;
  exports: Record<string, string>;
}

const read = (name: string): Manifest => JSON.parse(readFileSync(root + name, "utf8"));
const npm = read("package.json");
const jsr = read("deno.json");
const problems: string[] = [];
for (const key of ["version", "license", "exports"] as const) {
  if (JSON.stringify(npm[key]) !== JSON.stringify(jsr[key])) {
    problems.push(`package.json and deno.json differ in "${key}"`);
  }
}
for (const [name, file] of Object.entries(jsr.exports)) {
  if (!existsSync(root + file)) problems.push(`The export "${name}" names ${file}, which does not exist`);
}
console.log(problems.join("\n") || `${Object.keys(jsr.exports).length} exports agree`);
process.exitCode = problems.length > 0 ? 1 : 0;
