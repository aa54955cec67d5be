import { fileStart, LENGTH_BYTES, pack, unpack, unpackMeta } from "./packed.ts";
import { type ContextStore, StoreFullError, StoreReadOnlyError } from "./store.ts";

/** What the store needs of `Deno.Kv`. */
export interface Kv {
  /** Reads one value. */
  get(key: (string | number)[]): Promise<KvEntry>;
  /** Reads up to ten values. */
  getMany(keys: (string | number)[][]): Promise<KvEntry[]>;
  /** Starts a change of several values at once. */
  atomic(): KvChange;
}

/** A value of {@linkcode Kv}. */
export interface KvEntry {
  /** The value; `null` if there is none. */
  value: unknown;
  /** Differs after each change; `null` if there is no value. */
  versionstamp: string | null;
}

/** A change of {@linkcode Kv}: all of it or nothing. */
export interface KvChange {
  /** Makes the change depend on a value's version. */
  check(check: { key: (string | number)[]; versionstamp: string | null }): this;
  /** Sets a value. */
  set(key: (string | number)[], value: unknown): this;
  /** Removes a value. */
  delete(key: (string | number)[]): this;
  /** Does it; not `ok` if a check failed. */
  commit(): Promise<{ ok: boolean }>;
}

/** Says which chunks make up a context. */
interface Manifest {
  /** Tells the chunks of one writing from those of another. */
  readonly write: string;
  /** Bytes in all. */
  readonly size: number;
}

/** Values hold at most 64 KiB, and one change at most 800 KiB. */
const CHUNK = 63 * 1024;
const CHUNKS_AT_ONCE = 10;
const TRIES = 5;

/**
 * Keeps contexts in Deno KV, which needs the flag `--unstable-kv`, or Deno Deploy.
 *
 * A context is cut into chunks, because values are small there. The manifest that names them is written after them: who
 * reads sees all of a context or nothing of it. Chunks that a process left behind when it was killed have no manifest.
 *
 * @param kv The opened database: `await Deno.openKv()`.
 * @param prefix The first part of all keys. Default "filigree".
 * @returns The store.
 */
export function denoKvStore(kv: Kv, prefix = "filigree"): ContextStore {
  const manifestKey = (id: string): string[] => [prefix, "context", id];
  const chunkKeys = (id: string, { write, size }: Manifest): (string | number)[][] =>
    Array.from({ length: Math.ceil(size / CHUNK) }, (_, i) => [prefix, "chunk", id, write, i]);

  async function removeChunks(id: string, manifest: Manifest): Promise<void> {
    for (const keys of batches(chunkKeys(id, manifest))) {
      const change = kv.atomic();
      for (const key of keys) change.delete(key);
      await change.commit();
    }
  }

  /** Chunks from a place on; `undefined` if they were replaced or removed meanwhile. */
  async function readChunks(keys: (string | number)[][]): Promise<Uint8Array[] | undefined> {
    const chunks: Uint8Array[] = [];
    for (const batch of batches(keys)) {
      for (const { value } of await kv.getMany(batch)) {
        if (!(value instanceof Uint8Array)) return undefined;
        chunks.push(value);
      }
    }
    return chunks;
  }

  async function read<T>(
    id: string,
    use: (keys: (string | number)[][], size: number) => Promise<T | undefined>,
  ): Promise<T | undefined> {
    for (let i = 0; i < TRIES; i++) {
      const manifest = (await kv.get(manifestKey(id))).value as Manifest | null;
      if (!manifest) return undefined;
      const found = await use(chunkKeys(id, manifest), manifest.size);
      if (found !== undefined) return found;
    }
    throw new Error("Cannot read the context: parts of it are missing");
  }

  return {
    get: (id) =>
      read(id, async (keys, size) => {
        const chunks = await readChunks(keys);
        return chunks && unpack(join(chunks, size));
      }),
    describe: (id) =>
      read(id, async (keys) => {
        const first = await readChunks(keys.slice(0, 1));
        if (!first) return undefined;
        const count = Math.ceil(fileStart(first[0]!.subarray(0, LENGTH_BYTES)) / CHUNK);
        const rest = await readChunks(keys.slice(1, count));
        if (!rest) return undefined;
        return unpackMeta(join([...first, ...rest], count * CHUNK));
      }),
    async put(id, context) {
      const packed = pack(context);
      const manifest: Manifest = { write: crypto.randomUUID(), size: packed.length };
      const keys = chunkKeys(id, manifest);
      try {
        for (const [b, batch] of batches(keys).entries()) {
          const change = kv.atomic();
          batch.forEach((key, i) => {
            const start = (b * CHUNKS_AT_ONCE + i) * CHUNK;
            change.set(key, packed.slice(start, start + CHUNK));
          });
          await change.commit();
        }
        const old = await exchange(kv, manifestKey(id), manifest);
        // From here on the context is kept; chunks that stay behind only take room.
        if (old) await removeChunks(id, old).catch(() => {});
      } catch (error) {
        await removeChunks(id, manifest).catch(() => {});
        throw storeError(error);
      }
    },
    async delete(id) {
      try {
        const old = await exchange(kv, manifestKey(id), undefined);
        if (old) await removeChunks(id, old).catch(() => {});
        return old !== null;
      } catch (error) {
        throw storeError(error);
      }
    },
  };
}

/** Sets or removes a manifest and returns the one that was there, of which no other writer is told. */
async function exchange(kv: Kv, key: string[], manifest: Manifest | undefined): Promise<Manifest | null> {
  for (let i = 0; i < TRIES; i++) {
    const { value, versionstamp } = await kv.get(key);
    if (!manifest && !value) return null;
    const change = kv.atomic().check({ key, versionstamp });
    const { ok } = await (manifest ? change.set(key, manifest) : change.delete(key)).commit();
    if (ok) return value as Manifest | null;
  }
  throw new Error("Cannot write the context: others keep writing it");
}

function batches<T>(list: readonly T[]): T[][] {
  return Array.from(
    { length: Math.ceil(list.length / CHUNKS_AT_ONCE) },
    (_, i) => list.slice(i * CHUNKS_AT_ONCE, (i + 1) * CHUNKS_AT_ONCE),
  );
}

function join(chunks: readonly Uint8Array[], size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  chunks.forEach((chunk, i) => bytes.set(chunk, i * CHUNK));
  return bytes;
}

/** The database has no classes for these. */
function storeError(cause: unknown): unknown {
  const message = cause instanceof Error ? cause.message : "";
  if (/readonly|read-only|read only/i.test(message)) {
    return new StoreReadOnlyError("Cannot write contexts: the database may only be read", { cause });
  }
  if (/\bfull\b|quota/i.test(message)) {
    return new StoreFullError("Cannot keep the context: the database is full", { cause });
  }
  return cause;
}
