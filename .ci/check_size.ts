/**
 * Holds the sizes of the server's modules: each is bundled and minified with the packages it uses, without the
 * devices and models that it is given, and compressed.
 *
 * @module
 */

import process from "node:process";
import { gzipSync } from "node:zlib";
import { build, type Plugin, stop } from "esbuild";
import { root } from "./command.ts";

/** Most bytes of each module, compressed. */
const MOST: Readonly<Record<string, number>> = {
  "sdk/server/mod.ts": 24 * 1024,
  "sdk/server/csv.ts": 12 * 1024,
  "sdk/server/openapi.ts": 6 * 1024,
  "sdk/server/stores/directory.ts": 2 * 1024,
  "sdk/server/stores/deno_kv.ts": 3 * 1024,
  "sdk/server/page/mod.ts": 48 * 1024,
};

/** A bundle's size. */
interface Size {
  /** Bytes after compression. */
  readonly gzip: number;
  /** Which files take most, in bytes before compression. */
  readonly largest: readonly string[];
}

/** Leaves out everything of ours but the server and CSV: handlers get models and devices, they do not bring them. */
const serverAlone: Plugin = {
  name: "server alone",
  setup(build): void {
    build.onResolve({ filter: /^\.{1,2}\// }, ({ path, resolveDir, importer }) => {
      if (importer.includes("/node_modules/")) return undefined;
      const target = new URL(path, `file://${resolveDir}/`).pathname.slice(root.length);
      return /^sdk\/(?:server|csv)\//.test(target) ? undefined : { path, external: true };
    });
  },
};

/**
 * Bundles a module and compresses it.
 *
 * @param entry Its path from the root.
 * @returns Its size.
 */
export async function sizeOf(entry: string): Promise<Size> {
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    write: false,
    metafile: true,
    outdir: "dist/size",
    external: ["node:*"],
    plugins: [serverAlone],
    logLevel: "silent",
  });
  const inputs = Object.values(metafile.outputs)[0]?.inputs ?? {};
  const largest = Object.entries(inputs).sort(([, a], [, b]) => b.bytesInOutput - a.bytesInOutput)
    .slice(0, 12).map(([file, { bytesInOutput }]) => `${file} ${bytesInOutput}`);
  return { gzip: gzipSync(outputFiles[0]?.contents ?? new Uint8Array(0), { level: 9 }).length, largest };
}

if (import.meta.main) {
  const figures: string[] = [];
  for (const [entry, most] of Object.entries(MOST)) {
    const { gzip, largest } = await sizeOf(entry);
    figures.push(`${entry.replace(/^sdk\/server\//, "")} ${(gzip / 1024).toFixed(1)} KiB`);
    if (gzip <= most) continue;
    console.error(
      `${entry} has ${gzip} bytes compressed, at most ${most} are allowed; its largest parts:\n  ${
        largest.join("\n  ")
      }`,
    );
    process.exitCode = 1;
  }
  console.log(figures.join(", "));
  await stop();
}
