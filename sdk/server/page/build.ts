/**
 * Puts the page and the tables to try into `assets.js`, so that a server needs no files and no build step: `deno run -A sdk/server/page/build.ts`.
 * With `--check` it only compares.
 *
 * @module
 */
import { build, stop } from "esbuild";
import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import process from "node:process";
import { fileURLToPath } from "node:url";

const FOLDER = new URL("./", import.meta.url);
const TARGET = new URL("assets.js", FOLDER);
const SAMPLES = ["iris", "wine"];

const pathOf = (file: string): string => fileURLToPath(new URL(file, FOLDER));
const textOf = (file: string): Promise<string> => readFile(pathOf(file), "utf8");

/**
 * Bundles the page.
 *
 * @returns The text of `assets.js`.
 * @throws Error if a module does not bundle.
 */
export async function bundlePage(): Promise<string> {
  const [script, style] = [await bundle("client/main.ts"), await bundle("style.css")];
  const html = (await textOf("index.html"))
    .replace(/^ +/gm, "")
    .replace("<style></style>", () => `<style>${style}</style>`)
    .replace('<script type="module"></script>', () => `<script type="module">${script}</script>`);
  const samples: Record<string, string> = {};
  for (const name of SAMPLES) samples[name] = await textOf(`../../../examples/data/${name}.csv`);
  const parts = { html, scriptHash: hashOf(script), styleHash: hashOf(style), samples };
  const lines = Object.entries(parts).map(([name, value]) =>
    `export const ${name} = ${JSON.stringify(value)};\n`
  );
  return `// Made by build.ts from index.html, style.css, client/ and examples/data/.\n${lines.join("")}`;
}

async function bundle(file: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [pathOf(file)],
    bundle: true,
    format: "esm",
    target: file.endsWith(".css") ? "chrome123" : "es2024",
    minify: true,
    // The build of the package that needs nothing of node.
    alias: { "csv-parse/sync": "csv-parse/browser/esm/sync" },
    write: false,
    logLevel: "error",
  });
  const text = outputFiles[0]!.text.trim();
  if (/<\/(?:script|style)/i.test(text)) {
    throw new Error(`${file} has a text that would end it inside of a page`);
  }
  return text;
}

/** The hash as content security policies have it. */
function hashOf(text: string): string {
  return `sha256-${createHash("sha256").update(text).digest("base64")}`;
}

if (import.meta.main) {
  try {
    const text = await bundlePage();
    if (!process.argv.includes("--check")) {
      await writeFile(TARGET, text);
    } else if (await readFile(TARGET, "utf8").catch(() => "") !== text) {
      console.error("sdk/server/page/assets.js is out of date: run deno run -A sdk/server/page/build.ts");
      process.exitCode = 1;
    }
  } finally {
    await stop();
  }
}
