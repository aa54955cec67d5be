import { readFile, writeFile } from "node:fs/promises";

/**
 * Reads a file.
 *
 * @param path The file.
 * @returns Its bytes.
 * @throws {Error} With one clear sentence if it cannot be read.
 */
export async function readBytes(path: string | URL): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new Error(`Cannot read "${path}": ${reason(cause)}`, { cause });
  }
}

/**
 * Writes a file.
 *
 * @param path The file.
 * @param data Its content.
 * @throws {Error} With one clear sentence if it cannot be written.
 */
export async function writeBytes(path: string, data: string | Uint8Array): Promise<void> {
  try {
    await writeFile(path, data);
  } catch (cause) {
    throw new Error(`Cannot write "${path}": ${reason(cause)}`, { cause });
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file or folder",
  EACCES: "permission is denied",
  EPERM: "permission is denied",
  EISDIR: "it is a folder",
  ENOSPC: "the disk is full",
  EROFS: "the file system is read-only",
};

function reason(cause: unknown): string {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  return REASONS[code] ?? (cause instanceof Error ? cause.message : String(cause));
}
