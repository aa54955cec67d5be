import { mkdir, open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fileStart, LENGTH_BYTES, pack, unpack, unpackMeta } from "./packed.ts";
import { type ContextStore, StoreFullError, StoreReadOnlyError } from "./store.ts";

/**
 * Keeps contexts as files in a directory, one each. It needs permission to read and write there.
 *
 * A context is written to a temporary name, flushed and renamed, so that other processes see all of it or nothing. What
 * a process that was killed left behind ends in `.tmp` and can be removed at any time when no server writes.
 *
 * @param directory The directory, which is made at the first write.
 * @returns The store.
 */
export function directoryStore(directory: string | URL): ContextStore {
  const root = typeof directory === "string" ? directory : fileURLToPath(directory);
  const path = (id: string): string => {
    if (!/^\w+$/.test(id)) {
      throw new RangeError("Cannot name a file after this id: it has other signs than a-z, 0-9 and _");
    }
    return join(root, `${id}.context`);
  };
  return {
    get: (id) => reading(path(id), async (file) => unpack(await bytesOf(file, await sizeOf(file)))),
    describe: (id) =>
      reading(path(id), async (file) => {
        const start = fileStart(await bytesOf(file, LENGTH_BYTES));
        return unpackMeta(await bytesOf(file, Math.min(start, await sizeOf(file))));
      }),
    async put(id, context) {
      const final = path(id);
      const temporary = `${final}.${crypto.randomUUID()}.tmp`;
      try {
        await mkdir(root, { recursive: true });
        const file = await open(temporary, "wx", 0o600);
        try {
          await file.writeFile(pack(context));
          await file.sync();
        } finally {
          await file.close();
        }
        await rename(temporary, final);
      } catch (error) {
        await rm(temporary, { force: true }).catch(() => {});
        throw storeError(error);
      }
    },
    async delete(id) {
      try {
        await rm(path(id));
        return true;
      } catch (error) {
        if (codeOf(error) === "ENOENT") return false;
        throw storeError(error);
      }
    },
  };
}

type FileHandle = Awaited<ReturnType<typeof open>>;

async function reading<T>(path: string, read: (file: FileHandle) => Promise<T>): Promise<T | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
  try {
    return await read(file);
  } finally {
    await file.close();
  }
}

async function sizeOf(file: FileHandle): Promise<number> {
  return (await file.stat()).size;
}

/** The first bytes of a file. */
async function bytesOf(file: FileHandle, size: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(size);
  let done = 0;
  while (done < size) {
    const { bytesRead } = await file.read(bytes, done, size - done, done);
    if (bytesRead === 0) throw new SyntaxError("Cannot read the context: its file ends too early");
    done += bytesRead;
  }
  return bytes;
}

const FULL = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);
const READ_ONLY = new Set(["EROFS", "EACCES", "EPERM"]);

function storeError(cause: unknown): unknown {
  const code = codeOf(cause);
  if (FULL.has(code)) {
    return new StoreFullError(`Cannot keep the context: the disk is full (${code})`, { cause });
  }
  // Deno's own refusal, where the program was not given the permission.
  const denied = cause instanceof Error && cause.name === "NotCapable";
  if (READ_ONLY.has(code) || denied) {
    return new StoreReadOnlyError(
      `Cannot write contexts: the directory may not be written (${code || "no permission"})`,
      {
        cause,
      },
    );
  }
  return cause;
}

function codeOf(error: unknown): string {
  return (error as { code?: string } | undefined)?.code ?? "";
}
