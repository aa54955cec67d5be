import { describe, test } from "node:test";
import { assertEquals, assertRejects } from "../testing/assert.ts";
import { listen } from "./_listen_test_server.ts";
import { SMALL_REQUEST } from "./_waiting_test_classifier.ts";
import { createHandler } from "./create_handler.ts";
import type { ForkedClassifier } from "./served_classifier.ts";

/** A classifier whose `fit` waits for a gate, and that tells when it starts and why it stops. */
function gated(gate: Promise<void>) {
  const started = Promise.withResolvers<void>();
  const stopped = Promise.withResolvers<string>();
  const fork = (): ForkedClassifier => ({
    classes: ["x", "y"],
    async fit(_x, _y, { signal }): Promise<void> {
      started.resolve();
      const aborted = new Promise<never>((_, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason), { once: true })
      );
      try {
        await Promise.race([gate, aborted]);
        stopped.resolve("done");
      } catch (error) {
        stopped.resolve("aborted");
        throw error;
      }
    },
    predictProba: (x) => Promise.resolve(Object.values(x)[0]?.map(() => [0.75, 0.25]) ?? []),
    dispose() {},
  });
  return { classifier: { fork }, started: started.promise, stopped: stopped.promise };
}

describe("the handler behind a real server", () => {
  test("a request is answered, again on the same connection", async () => {
    const errors: unknown[] = [];
    const { classifier } = gated(Promise.resolve());
    const app = createHandler({ classifier, onError: (error) => errors.push(error) });
    const server = listen((request) => app.fetch(request));
    try {
      for (let i = 0; i < 3; i++) {
        const response = await fetch(`${server.url}/v1/tabular/predict`, SMALL_REQUEST);
        const { predictions } = await response.json();
        assertEquals([response.status, predictions[0].label], [200, "x"]);
      }
      assertEquals(errors, []);
    } finally {
      await server.close();
    }
  });

  test("a client that goes away stops its computation", async () => {
    const { classifier, started, stopped } = gated(new Promise(() => {}));
    const app = createHandler({ classifier });
    const server = listen((request) => app.fetch(request));
    const client = new AbortController();
    try {
      const pending = fetch(`${server.url}/v1/tabular/predict`, { ...SMALL_REQUEST, signal: client.signal });
      const refused = assertRejects(() => pending);
      await started;
      client.abort();
      await refused;
      assertEquals(await stopped, "aborted");
    } finally {
      await server.close();
    }
  });

  test("health answers while a request computes", async () => {
    const gate = Promise.withResolvers<void>();
    const { classifier, started } = gated(gate.promise);
    const app = createHandler({ classifier });
    const server = listen((request) => app.fetch(request));
    try {
      const pending = fetch(`${server.url}/v1/tabular/predict`, SMALL_REQUEST);
      await started;
      const health = await fetch(`${server.url}/health`);
      assertEquals((await health.json()).status, "ok");
      gate.resolve();
      assertEquals((await (await pending).json()).classes, ["x", "y"]);
    } finally {
      await server.close();
    }
  });
});
