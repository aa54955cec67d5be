/**
 * Opens the file of an offloaded cache.
 *
 * @module
 */
import type { FileHandle } from "node:fs/promises";
import { OffloadError } from "./chunk_file.ts";

/**
 * Creates a file that nobody else has. Where the system allows it the file has no name any more once it is open, so that nothing is left of it when
 * the process ends, however it ends.
 *
 * @param folder Where; the folder must exist.
 * @throws OffloadError if it cannot be created.
 */
export async function openOffloadFile(folder: string): Promise<{ file: FileHandle; path: string }> {
  const { open, unlink } = await import("node:fs/promises");
  const { pid } = await import("node:process");
  const path = `${folder}/filigree-kv-${pid}-${crypto.randomUUID()}`;
  try {
    const file = await open(path, "wx+", 0o600);
    await unlink(path).catch(() => {
      // Windows keeps the name of an open file.
    });
    return { file, path };
  } catch (cause) {
    throw new OffloadError(
      `Cannot use the offload file "${path}": ${
        cause instanceof Error ? cause.message : cause
      }; expected a folder that can be written to`,
      { cause },
    );
  }
}
