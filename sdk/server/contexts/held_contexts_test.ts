import { describe, test } from "node:test";
import { assertEquals, assertRejects } from "../../testing/assert.ts";
import type { ForkedClassifier } from "../served_classifier.ts";
import { createHeldContexts, type Restored } from "./held_contexts.ts";

/** A context that writes down when it is freed. */
function context(name: string, freed: string[], size = 1): Restored {
  const classifier = { dispose: () => freed.push(name) } as unknown as ForkedClassifier;
  return { classifier, size };
}

const limits = { contexts: 2, contextBytes: 10 };

describe("createHeldContexts()", () => {
  test("use() restores what is not held, and frees what was not used for longest", async () => {
    const freed: string[] = [];
    const restored: string[] = [];
    const held = createHeldContexts(limits);
    const use = (id: string) =>
      held.use(id, () => {
        restored.push(id);
        return Promise.resolve(context(id, freed));
      }, () => Promise.resolve(id));
    for (const id of ["a", "b", "a", "c", "a", "b"]) assertEquals(await use(id), id);
    assertEquals([restored, freed], [["a", "b", "c", "b"], ["b", "c"]]);
    assertEquals([held.count, held.bytes], [2, 2]);
  });

  test("use() frees a context that is too large only after its use", async () => {
    const freed: string[] = [];
    const held = createHeldContexts(limits);
    await held.use("a", () => Promise.resolve(context("a", freed, 11)), () => {
      assertEquals(freed, []);
      return Promise.resolve();
    });
    assertEquals([freed, held.count, held.bytes], [["a"], 0, 0]);
  });

  test("drop() of a context in use frees it once, after its use", async () => {
    const freed: string[] = [];
    const held = createHeldContexts(limits);
    await held.use("a", () => Promise.resolve(context("a", freed)), () => {
      held.drop("a");
      assertEquals(freed, []);
      return Promise.resolve();
    });
    held.drop("a");
    assertEquals([freed, held.count], [["a"], 0]);
  });

  test("use() by two at once keeps one of two copies", async () => {
    const freed: string[] = [];
    const held = createHeldContexts(limits);
    const use = (name: string) =>
      held.use("a", () => Promise.resolve(context(name, freed)), ({ dispose }) => Promise.resolve(dispose));
    const [one, two] = await Promise.all([use("first"), use("second")]);
    assertEquals([one === two, freed, held.count], [true, ["second"], 1]);
  });

  test("use() that fails to restore holds nothing, and that fails to work keeps the context", async () => {
    const freed: string[] = [];
    const held = createHeldContexts(limits);
    const fail = (): Promise<never> => Promise.reject(new RangeError("no"));
    await assertRejects(() => held.use("a", fail, () => Promise.resolve()), RangeError);
    assertEquals(held.count, 0);
    await assertRejects(() => held.use("a", () => Promise.resolve(context("a", freed)), fail), RangeError);
    assertEquals([held.count, freed], [1, []]);
  });

  test("add() keeps what has room", () => {
    const freed: string[] = [];
    const held = createHeldContexts(limits);
    for (const [id, size] of [["a", 6], ["b", 6], ["c", 3], ["d", 20]] as const) {
      held.add(id, context(id, freed, size));
    }
    assertEquals([freed, held.count], [["a", "b", "c", "d"], 0]);
  });
});
