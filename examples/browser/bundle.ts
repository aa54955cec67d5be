/**
 * Bundles the page for browsers.
 *
 * @module
 */
import { build, stop } from "esbuild";
import { fileURLToPath } from "node:url";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/**
 * Bundles the page, and the worker in which devices compute.
 *
 * @returns The scripts and the style by path.
 * @throws Error if a module does not bundle.
 */
export async function bundlePage(): Promise<Map<string, Uint8Array>> {
  try {
    const { outputFiles } = await build({
      entryPoints: {
        page: here("page.ts"),
        style: here("style.css"),
        // Where sdk/device/open_device.ts looks for it, from a chunk beside the page.
        "worker/device_worker": here("../../sdk/device/worker/device_worker.ts"),
      },
      bundle: true,
      splitting: true,
      format: "esm",
      target: ["es2024", "chrome123"],
      minify: true,
      loader: { ".wgsl": "text" },
      // The build of the package that needs nothing of node.
      alias: { "csv-parse/sync": "csv-parse/browser/esm/sync" },
      // Asked for in other runtimes only.
      external: ["node:*"],
      outdir: here("."),
      write: false,
      logLevel: "error",
    });
    return new Map(
      outputFiles.map(({ path, contents }) => [path.slice(here(".").length).replaceAll("\\", "/"), contents]),
    );
  } finally {
    await stop();
  }
}
