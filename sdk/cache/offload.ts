/**
 * Rows outside the device.
 *
 * @module
 */
import { bitmapDrops } from "./bitmap.ts";
import { bitmapHostCodec } from "./bitmap_host_codec.ts";
import { type ChunkPool, MemoryPool } from "./chunk_pool.ts";
import { dense } from "./dense.ts";
import { rowHostCodec } from "./host_codec.ts";
import { OffloadStore } from "./offload_store.ts";
import type { Storage } from "./storage.ts";

/** Options of {@linkcode offload}. */
export interface OffloadOptions {
  /** How rows are stored: dense(), quantized() or bitmap(). @default dense({ type: "f16" }) */
  readonly of?: Storage;
  /** Where: memory of the process that is not the device's, or a file. @default "memory" */
  readonly to?: "memory" | "file";
  /** Folder of the file. @default the folder for temporary files */
  readonly path?: string;
  /** Newest tokens that stay on the device. @default 64 */
  readonly window?: number;
  /** Tokens that leave the device at once, a multiple of 64. @default 256 */
  readonly chunk?: number;
}

/**
 * Keeps only the newest tokens on the device. For every step the tokens that a selector chooses are brought back: `await cache.fetch(device, q, { select })` before
 * `decode(device, q, cache, { select })`.
 *
 * The file is checksummed and belongs to this process alone; nothing is left of it when the process ends.
 *
 * @throws RangeError if an option is out of range.
 */
export function offload(options: OffloadOptions = {}): Storage {
  const { of = dense({ type: "f16" }), to = "memory", path, window = 64, chunk = 256 } = options;
  if (to !== "memory" && to !== "file") {
    throw new RangeError(`Cannot use offload: "to" is "${to}", expected "memory" or "file"`);
  }
  if (!(Number.isInteger(window) && window >= 1)) {
    throw new RangeError(`Cannot use offload: "window" is ${window}, expected a whole number above 0`);
  }
  if (!(Number.isInteger(chunk) && chunk > 0 && chunk % 64 === 0)) {
    throw new RangeError(`Cannot use offload: "chunk" is ${chunk}, expected a multiple of 64`);
  }
  if (of.spec.name !== "bitmap" && of.codec === undefined) {
    throw new RangeError(
      `Cannot use offload: rows of "${of.spec.name}" cannot leave the device, expected dense(), quantized() or bitmap()`,
    );
  }
  return {
    spec: { name: "offload", of: of.spec, to, window, chunk, ...(path !== undefined && { path }) },
    open(device, shape) {
      const { heads, headDim } = shape;
      const { codec } = of;
      const host = codec
        ? rowHostCodec(codec(headDim), heads, headDim)
        : bitmapHostCodec(bitmapDrops(of.spec, headDim), of.spec["type"] as "f16", heads, headDim);
      return new OffloadStore(device, shape, { host, window, chunk, pool: () => openPool(to, path) });
    },
  };
}

async function openPool(to: "memory" | "file", path: string | undefined): Promise<ChunkPool> {
  if (to === "memory") return new MemoryPool();
  // Loaded when needed: browsers and edge platforms have no files.
  const { FilePool } = await import("./chunk_file.ts");
  const { openOffloadFile } = await import("./open_offload_file.ts");
  const opened = await openOffloadFile(path ?? (await import("node:os")).tmpdir());
  return new FilePool(opened.file, opened.path);
}
