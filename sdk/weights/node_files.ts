/**
 * Weights files on disk, for Deno, Bun and Node.
 *
 * @module
 */
import { WeightsError } from "../device/errors.ts";
import type { ByteSource, WeightFiles } from "./source.ts";

/**
 * The files of a directory on disk.
 *
 * @param path The directory.
 * @returns Its files; nothing is opened yet.
 * @example
 * ```ts
 * import { folderFiles } from "./node_files.ts";
 * import { openSafetensorsModel } from "./sharded.ts";
 *
 * const model = await openSafetensorsModel(folderFiles("models/llama"));
 * ```
 */
export function folderFiles(path: string): WeightFiles {
  return { open: (name) => openFile(`${path}/${name}`) };
}

/**
 * Opens a file on disk for reads at any place.
 *
 * @param path The file.
 * @returns The open file, to be closed; nothing if there is no such file.
 * @throws WeightsError if it is there but cannot be read.
 */
export async function openFile(path: string): Promise<ByteSource | undefined> {
  // Loaded here, so that browsers can import what exports this function.
  const { open } = await import("node:fs/promises");
  const handle = await open(path, "r").catch((cause: unknown) => {
    if (codeOf(cause) === "ENOENT") return undefined;
    throw failed(path, cause);
  });
  if (handle === undefined) return undefined;
  const stat = await handle.stat();
  if (!stat.isFile()) {
    await handle.close();
    throw new WeightsError(`Cannot read "${path}": it is not a file`);
  }
  return {
    size: stat.size,
    async read(offset, length) {
      const bytes = new Uint8Array(length);
      let got = 0;
      while (got < length) {
        const { bytesRead } = await handle.read(bytes, got, length - got, offset + got).catch((cause) => {
          throw failed(path, cause);
        });
        if (bytesRead === 0) break;
        got += bytesRead;
      }
      return bytes.subarray(0, got);
    },
    close: () => handle.close(),
  };
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: "permission is denied",
  EPERM: "permission is denied",
  EISDIR: "it is a folder",
  EMFILE: "too many files are open",
};

function failed(path: string, cause: unknown): WeightsError {
  const reason = REASONS[codeOf(cause)] ?? (cause instanceof Error ? cause.message : String(cause));
  return new WeightsError(`Cannot read "${path}": ${reason}`, { cause });
}

function codeOf(cause: unknown): string {
  return cause instanceof Error && "code" in cause ? String(cause.code) : "";
}
