/**
 * Bundles the edge function for platforms that take a script and its files, as Cloudflare's workers do, and shows how
 * large it is:
 *
 *     deno run -A examples/edge_build.ts [FOLDER]        (or: bun examples/edge_build.ts [FOLDER])
 *
 * @module
 */
import { build, type Plugin, stop } from "esbuild";
import { writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { decodeBase64 } from "../wasm/compile.ts";
import { wasm } from "../wasm/pkg/relaxed.js";
import { bytes as weights, hash } from "../tabular/weights/orion_small.js";
import { context } from "./data/iris_context.js";

/** What is uploaded: files by name. `worker.js` is the script, `.wasm` is compiled ahead, `.bin` is data. */
export type EdgeFiles = ReadonlyMap<string, Uint8Array<ArrayBuffer>>;

/** Modules that hold bytes as text, and what stands for them where a platform imports bytes themselves. */
const AS_FILES: Readonly<Record<string, string>> = {
  "edge_kernels.ts": `export { default as kernels } from "./kernels.wasm";`,
  "orion_small.js": `import data from "./weights.bin";
    export const hash = "${hash}";
    export const bytes = () => new Uint8Array(data);`,
  "iris_context.js": `import data from "./context.bin";
    export const context = new Uint8Array(data);`,
};

const asFiles: Plugin = {
  name: "as files",
  setup({ onLoad, onResolve }) {
    // What an edge function never loads: the GPU, workers, caches in files, builds of the kernels compiled on the spot.
    onResolve(
      { filter: /\/(gpu|pkg)\/|\/worker\/bundle\.js$|\/(chunk_file|open_offload_file)\.ts$/ },
      ({ path }) => ({ path, external: true }),
    );
    onLoad({ filter: /(edge_kernels\.ts|orion_small\.js|iris_context\.js)$/ }, ({ path }) => ({
      contents: AS_FILES[path.replace(/.*[\\/]/, "")]!,
      loader: "js",
    }));
  },
};

/**
 * Bundles the edge function.
 *
 * @returns The files.
 * @throws Error if a module does not bundle.
 */
export async function bundleEdge(): Promise<EdgeFiles> {
  try {
    const { outputFiles } = await build({
      entryPoints: [fileURLToPath(new URL("edge_function.ts", import.meta.url))],
      bundle: true,
      format: "esm",
      target: "es2022",
      minify: true,
      external: ["node:*", "*.wasm", "*.bin"],
      plugins: [asFiles],
      write: false,
      logLevel: "error",
    });
    const script = outputFiles[0]!.contents as Uint8Array<ArrayBuffer>;
    return new Map([
      ["worker.js", script],
      ["kernels.wasm", decodeBase64(wasm)],
      ["weights.bin", weights() as Uint8Array<ArrayBuffer>],
      ["context.bin", context],
    ]);
  } finally {
    await stop();
  }
}

if (import.meta.main) {
  const files = await bundleEdge();
  const folder = process.argv[2];
  if (folder !== undefined) await mkdir(folder, { recursive: true });
  let all = 0;
  for (const [name, bytes] of files) {
    const packed = gzipSync(bytes, { level: 9 }).length;
    all += packed;
    console.log(`${name.padEnd(14)} ${kilobytes(bytes.length)}, ${kilobytes(packed)} gzipped`);
    if (folder !== undefined) writeFileSync(`${folder}/${name}`, bytes);
  }
  console.log(`${"all".padEnd(14)} ${" ".repeat(11)}  ${kilobytes(all)} gzipped`);
}

function kilobytes(size: number): string {
  return `${(size / 1000).toFixed(0).padStart(8)} kB`;
}
