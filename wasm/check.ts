/**
 * Checks that the committed modules in `pkg/` were built from the sources beside them; needs no Rust.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import process from "node:process";

const root = new URL("./", import.meta.url);

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(new URL(folder, root), { withFileTypes: true });
  const nested = entries.map((entry) => {
    const path = folder + entry.name;
    return entry.isDirectory() ? filesBelow(`${path}/`) : Promise.resolve([path]);
  });
  return (await Promise.all(nested)).flat();
}

/**
 * The SHA-256 of everything that the builds are made from: names and contents of the sources in the order of their names,
 * line ends as LF.
 */
export async function sourcesHash(): Promise<string> {
  const files = ["Cargo.toml", "Cargo.lock", "build.ts", ...await filesBelow("src/")].sort();
  const hash = createHash("sha256");
  for (const file of files) {
    const text = (await readFile(new URL(file, root), "utf8")).replaceAll("\r\n", "\n");
    hash.update(`${file}\0${text}\0`);
  }
  return hash.digest("hex");
}

/** The builds in `pkg/` whose sources are not the ones beside them; empty when all agree. */
export async function staleBuilds(): Promise<string[]> {
  const hash = await sourcesHash();
  const stale: string[] = [];
  for (const name of ["simd", "relaxed", "threads"]) {
    const text = await readFile(new URL(`pkg/${name}.js`, root), "utf8");
    if (!text.endsWith(`export const hash = "${hash}";\n`)) stale.push(name);
  }
  return stale;
}

if (import.meta.main) {
  const stale = await staleBuilds();
  if (stale.length > 0) {
    console.error(
      `Cannot trust "wasm/pkg": ${stale.join(", ")} built from other sources, run "deno task wasm"`,
    );
    process.exitCode = 1;
  } else {
    console.log("wasm/pkg matches its sources");
  }
}
