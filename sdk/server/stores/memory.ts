import { type ContextStore, StoreFullError } from "./store.ts";
import { fileStart, pack, unpack, unpackMeta } from "./packed.ts";

/** Options of {@linkcode memoryStore}. */
export interface MemoryStoreOptions {
  /**
   * Most bytes of all contexts together.
   *
   * @default 268_435_456
   */
  maxBytes?: number;
}

/**
 * Keeps contexts in memory: they are gone with the process.
 *
 * @param options How much it holds.
 * @returns The store.
 */
export function memoryStore({ maxBytes = 2 ** 28 }: MemoryStoreOptions = {}): ContextStore {
  // Packed, so that nobody's later change to an object changes what is kept.
  const contexts = new Map<string, Uint8Array<ArrayBuffer>>();
  let size = 0;
  const get = (id: string): Uint8Array<ArrayBuffer> | undefined => contexts.get(id);
  return {
    get: (id) => {
      const packed = get(id);
      return Promise.resolve(packed && unpack(packed));
    },
    describe: (id) => {
      const packed = get(id);
      return Promise.resolve(packed && unpackMeta(packed.subarray(0, fileStart(packed))));
    },
    put: (id, context) => {
      const packed = pack(context);
      const after = size - (get(id)?.length ?? 0) + packed.length;
      if (after > maxBytes) {
        return Promise.reject(
          new StoreFullError(
            `Cannot keep the context: it needs ${packed.length} bytes but ${
              maxBytes - size
            } of ${maxBytes} are free`,
          ),
        );
      }
      contexts.set(id, packed);
      size = after;
      return Promise.resolve();
    },
    delete: (id) => {
      size -= get(id)?.length ?? 0;
      return Promise.resolve(contexts.delete(id));
    },
  };
}
