import { describe, test } from "node:test";
import { assertEquals, assertRejects } from "../testing/assert.ts";
import { createQueue, QueueFullError } from "./queue.ts";

const never = new AbortController().signal;

describe("createQueue()", () => {
  test("run() keeps the order and runs one task at a time", async () => {
    const queue = createQueue(10);
    const events: string[] = [];
    const task = (name: string) => async (): Promise<string> => {
      events.push(`+${name}`);
      await new Promise((resolve) => setTimeout(resolve, 1));
      events.push(`-${name}`);
      return name;
    };
    const results = await Promise.all(["a", "b", "c"].map((name) => queue.run(task(name), never)));
    assertEquals(results, ["a", "b", "c"]);
    assertEquals(events, ["+a", "-a", "+b", "-b", "+c", "-c"]);
    assertEquals(await queue.run(task("d"), never), "d");
  });

  test("run() goes on when a task fails", async () => {
    const queue = createQueue(10);
    const failed = assertRejects(
      () => queue.run(() => Promise.reject(new RangeError("no")), never),
      RangeError,
    );
    assertEquals(await queue.run(() => Promise.resolve(1), never), 1);
    await failed;
  });

  test("run() leaves the queue when the signal aborts", async () => {
    const queue = createQueue(1);
    let finish = (): void => {};
    const first = queue.run(() => new Promise<void>((resolve) => finish = resolve), never);
    const controller = new AbortController();
    let ran = false;
    const second = queue.run(() => Promise.resolve(ran = true), controller.signal);
    await assertRejects(() => queue.run(() => Promise.resolve(), never), QueueFullError);
    const reason = new Error("gone");
    controller.abort(reason);
    assertEquals(await second.catch((error) => error), reason);
    assertEquals([queue.waiting, ran], [0, false]);
    finish();
    await first;
  });
});
