import { describe, test } from "node:test";
import { assertEquals, assertRejects } from "../../testing/assert.ts";
import { storeCases } from "./_store_test_cases.ts";
import { denoKvStore, type Kv } from "./deno_kv.ts";
import { StoreFullError, StoreReadOnlyError } from "./store.ts";

interface TestKv extends Kv {
  list(selector: { prefix: string[] }): AsyncIterable<{ key: (string | number)[] }>;
  close(): void;
}

const { Deno } = globalThis as unknown as { Deno?: { openKv?(path: string): Promise<TestKv> } };
const skip = Deno?.openKv ? false : Deno ? "needs the flag --unstable-kv" : "Deno KV is there on Deno only";
const open = (): Promise<TestKv> => Deno!.openKv!(":memory:");

storeCases("denoKvStore()", async () => {
  const kv = await open();
  return { store: denoKvStore(kv), again: denoKvStore(kv), close: () => Promise.resolve(kv.close()) };
}, skip);

async function keysOf(kv: TestKv): Promise<number> {
  let count = 0;
  for await (const _ of kv.list({ prefix: ["filigree"] })) count++;
  return count;
}

/** The database, with changes that fail. */
function failing(kv: TestKv, fail: (commit: number) => Error | undefined): Kv {
  let commits = 0;
  return {
    get: (key) => kv.get(key),
    getMany: (keys) => kv.getMany(keys),
    atomic() {
      const change = kv.atomic();
      const commit = change.commit.bind(change);
      change.commit = () => {
        const error = fail(++commits);
        return error ? Promise.reject(error) : commit();
      };
      return change;
    },
  };
}

describe("denoKvStore() and its chunks", { skip }, () => {
  const big = { meta: 1, bytes: new Uint8Array(2_000_000).fill(3) };

  test("put() and delete() leave no chunks of contexts that are gone", async () => {
    const kv = await open();
    const store = denoKvStore(kv);
    await store.put("ctx_1", big);
    assertEquals(await keysOf(kv), 1 + Math.ceil(2_000_008 / (63 * 1024)));
    await store.put("ctx_1", { meta: 2, bytes: new Uint8Array(5) });
    assertEquals(await keysOf(kv), 2);
    await store.delete("ctx_1");
    assertEquals(await keysOf(kv), 0);
    kv.close();
  });

  test("put() that fails halfway leaves the old context and no new chunks", async () => {
    const kv = await open();
    const store = denoKvStore(kv);
    await store.put("ctx_1", { meta: "old", bytes: new Uint8Array(5) });
    for (const at of [1, 2, 5]) {
      const broken = denoKvStore(failing(kv, (commit) => commit === at ? new Error("no luck") : undefined));
      await assertRejects(() => broken.put("ctx_1", big), Error, "no luck");
      assertEquals([await store.describe("ctx_1"), await keysOf(kv)], ["old", 2]);
    }
    kv.close();
  });

  test("put() says when the database is full or may only be read", async () => {
    const kv = await open();
    const withError = (message: string) => denoKvStore(failing(kv, () => new Error(message)));
    await assertRejects(() => withError("database or disk is full").put("ctx_1", big), StoreFullError);
    const readOnly = withError("attempt to write a readonly database");
    await assertRejects(() => readOnly.put("ctx_1", big), StoreReadOnlyError);
    await denoKvStore(kv).put("ctx_1", big);
    await assertRejects(() => readOnly.delete("ctx_1"), StoreReadOnlyError);
    kv.close();
  });

  test("get() reads a context whole while others replace it", async () => {
    const kv = await open();
    const store = denoKvStore(kv);
    await store.put("ctx_1", big);
    let writing = true;
    const writer = (async () => {
      for (let i = 0; i < 20; i++) await store.put("ctx_1", { ...big, meta: i });
      writing = false;
    })();
    while (writing) assertEquals((await store.get("ctx_1"))?.bytes.length, big.bytes.length);
    await writer;
    kv.close();
  });
});
