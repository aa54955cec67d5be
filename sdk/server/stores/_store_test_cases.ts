import { describe, test } from "node:test";
import { assertEquals } from "../../testing/assert.ts";
import type { ContextStore } from "./store.ts";

const file = (size: number, seed = 1): Uint8Array<ArrayBuffer> =>
  Uint8Array.from({ length: size }, (_, i) => (i * seed + (i >> 8)) & 255);

/**
 * Tests what every store must do.
 *
 * @param name The store's name.
 * @param open Opens an empty one; `again` opens what the same contexts are seen through from another process.
 * @param skip Why it cannot be tested here.
 */
export function storeCases(
  name: string,
  open: () => Promise<{ store: ContextStore; again: ContextStore; close: () => Promise<void> }>,
  skip: string | false = false,
): void {
  const cases: Record<string, (store: ContextStore, again: ContextStore) => Promise<void>> = {
    "get() gives what put() kept, also to another server": async (store, again) => {
      const meta = { owner: "a", names: ["é", "__proto__"], none: null };
      await store.put("ctx_1", { meta, bytes: file(1000) });
      for (const one of [store, again]) {
        assertEquals(await one.get("ctx_1"), { meta, bytes: file(1000) });
        assertEquals(await one.describe("ctx_1"), meta);
      }
    },
    "get(), describe() and delete() find nothing under an id that was never kept": async (store) => {
      assertEquals(await store.get("ctx_2"), undefined);
      assertEquals(await store.describe("ctx_2"), undefined);
      assertEquals(await store.delete("ctx_2"), false);
    },
    "delete() forgets a context": async (store, again) => {
      await store.put("ctx_1", { meta: 1, bytes: file(10) });
      await store.put("ctx_2", { meta: 2, bytes: file(10) });
      assertEquals(await again.delete("ctx_1"), true);
      assertEquals([await store.get("ctx_1"), await store.describe("ctx_1")], [undefined, undefined]);
      assertEquals([await store.delete("ctx_1"), await store.describe("ctx_2")], [false, 2]);
    },
    "put() takes the place of a context, larger or smaller": async (store) => {
      for (const size of [300_000, 100, 200_000, 0]) {
        await store.put("ctx_1", { meta: { size }, bytes: file(size, 3) });
        assertEquals(await store.get("ctx_1"), { meta: { size }, bytes: file(size, 3) });
      }
    },
    "put() keeps files and descriptions that are larger than values of a database": async (store) => {
      const meta = { names: Array.from({ length: 20_000 }, (_, i) => `column ${i}`) };
      const bytes = file(3_000_001, 7);
      await store.put("ctx_1", { meta, bytes });
      assertEquals(await store.describe("ctx_1"), meta);
      assertEquals(await store.get("ctx_1"), { meta, bytes });
    },
    "put() from two servers at once leaves one of both contexts, whole": async (store, again) => {
      const contexts = [5, 9].map((seed) => ({ meta: { seed }, bytes: file(400_000, seed) }));
      await Promise.all([store.put("ctx_1", contexts[0]!), again.put("ctx_1", contexts[1]!)]);
      const found = await store.get("ctx_1");
      assertEquals(found, contexts.find(({ meta }) => meta.seed === (found?.meta as { seed: number }).seed));
    },
    "put() keeps the file where tensors can be read in place": async (store) => {
      for (const meta of ["", "a", "ab", "abcdefg"]) {
        await store.put("ctx_1", { meta, bytes: file(16) });
        assertEquals((await store.get("ctx_1"))!.bytes.byteOffset % 8, 0);
      }
    },
    "what a caller changes after put() does not change what is kept": async (store) => {
      const bytes = file(10);
      const meta = { list: [1] };
      await store.put("ctx_1", { meta, bytes });
      bytes.fill(9);
      meta.list.push(2);
      assertEquals(await store.get("ctx_1"), { meta: { list: [1] }, bytes: file(10) });
    },
  };
  describe(name, { skip }, () => {
    for (const [title, run] of Object.entries(cases)) {
      test(title, async () => {
        const { store, again, close } = await open();
        try {
          await run(store, again);
        } finally {
          await close();
        }
      });
    }
  });
}
