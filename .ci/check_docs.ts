/**
 * Checks the documentation of everything public: `deno doc --lint` on every export.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import process from "node:process";
import { deno, root, run } from "./command.ts";

const { exports } = JSON.parse(readFileSync(`${root}deno.json`, "utf8")) as {
  exports: Record<string, string>;
};
const { code, output } = await run([deno, "doc", "--lint", ...Object.values(exports)]);
// Types of packages are documented by their packages.
const problems = output.split(/\n(?=error\[)/).filter((text) => text.startsWith("error["))
  .filter((text) =>
    !text.includes("node_modules/") && !/references private type '(?:Hono|Context)'/.test(text)
  );
if (code !== 0 && !output.includes("error[")) problems.push(output);
console.log(problems.join("\n") || "Every public symbol is documented");
process.exitCode = problems.length > 0 ? 1 : 0;
