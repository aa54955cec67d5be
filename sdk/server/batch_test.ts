import { describe, test } from "node:test";
import { assertEquals, assertRejects } from "../testing/assert.ts";
import { createBatch } from "./batch.ts";

const live = (): AbortSignal => new AbortController().signal;

describe("createBatch", () => {
  test("the first item computes for all that wait, in their order", async () => {
    const calls: number[][] = [];
    const batch = createBatch((inputs: readonly number[]) => {
      calls.push([...inputs]);
      return Promise.resolve(inputs.map((x) => x * 10));
    }, 8);
    const items = [1, 2, 3].map((x) => batch.add(x, 1));
    const answers = [];
    for (const item of items) answers.push(await item.answer(live()));
    assertEquals([answers, calls], [[10, 20, 30], [[1, 2, 3]]]);
  });

  test("a batch is no larger than allowed, and a larger item is computed by itself", async () => {
    const calls: string[] = [];
    const batch = createBatch((inputs: readonly string[]) => {
      calls.push(inputs.join());
      return Promise.resolve(inputs);
    }, 3);
    const items = [batch.add("a", 2), batch.add("big", 9), batch.add("b", 2), batch.add("c", 1)];
    for (const item of items) await item.answer(live());
    assertEquals(calls, ["a,c", "big", "b"]);
  });

  test("an item that left is not computed", async () => {
    const calls: string[] = [];
    const batch = createBatch((inputs: readonly string[]) => {
      calls.push(inputs.join());
      return Promise.resolve(inputs);
    }, 8);
    const [a, b, c] = ["a", "b", "c"].map((x) => batch.add(x, 1));
    b?.leave();
    await a?.answer(live());
    await c?.answer(live());
    assertEquals(calls, ["a,c"]);
  });

  test("an item that fails does not fail those it was computed with", async () => {
    const calls: string[] = [];
    const batch = createBatch((inputs: readonly string[]) => {
      calls.push(inputs.join());
      return inputs.includes("bad") ? Promise.reject(new RangeError("bad")) : Promise.resolve(inputs);
    }, 8);
    const [a, bad, c] = ["a", "bad", "c"].map((x) => batch.add(x, 1));
    assertEquals(await a?.answer(live()), "a");
    await assertRejects(() => bad!.answer(live()), RangeError);
    assertEquals(await c?.answer(live()), "c");
    assertEquals(calls, ["a,bad,c", "a", "bad", "c"]);
  });

  test("the computation goes on when its first item leaves, and stops when all have left", async () => {
    const started = Promise.withResolvers<AbortSignal>();
    const gate = Promise.withResolvers<void>();
    const batch = createBatch(async (inputs: readonly string[], signal: AbortSignal) => {
      started.resolve(signal);
      await gate.promise;
      signal.throwIfAborted();
      return inputs;
    }, 8);
    const [a, b] = ["a", "b"].map((x) => batch.add(x, 1));
    const client = new AbortController();
    const first = assertRejects(() => a!.answer(client.signal), DOMException);
    const signal = await started.promise;
    client.abort();
    assertEquals(signal.aborted, false);
    b?.leave();
    assertEquals(signal.aborted, true);
    gate.resolve();
    await first;
  });

  test("an item whose first computation was for others still gets its answer", async () => {
    const gate = Promise.withResolvers<void>();
    const batch = createBatch(async (inputs: readonly string[]) => {
      await gate.promise;
      return inputs;
    }, 8);
    const [a, b] = ["a", "b"].map((x) => batch.add(x, 1));
    const client = new AbortController();
    const first = assertRejects(() => a!.answer(client.signal), DOMException);
    client.abort();
    gate.resolve();
    await first;
    assertEquals(await b?.answer(live()), "b");
  });
});
