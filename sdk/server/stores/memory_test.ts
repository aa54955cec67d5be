import { describe, test } from "node:test";
import { assertEquals, assertRejects } from "../../testing/assert.ts";
import { storeCases } from "./_store_test_cases.ts";
import { memoryStore } from "./memory.ts";
import { StoreFullError } from "./store.ts";

storeCases("memoryStore()", () => {
  const store = memoryStore();
  return Promise.resolve({ store, again: store, close: () => Promise.resolve() });
});

describe("memoryStore() with little room", () => {
  test("put() refuses what does not fit, keeps what was there, and takes it after a delete()", async () => {
    const store = memoryStore({ maxBytes: 2000 });
    const context = { meta: {}, bytes: new Uint8Array(1500) };
    await store.put("ctx_1", context);
    await assertRejects(() => store.put("ctx_2", context), StoreFullError, "Cannot keep the context");
    assertEquals([await store.describe("ctx_1"), await store.describe("ctx_2")], [{}, undefined]);
    await store.put("ctx_1", context);
    await store.delete("ctx_1");
    await store.put("ctx_2", context);
    assertEquals(await store.get("ctx_2"), context);
  });
});
