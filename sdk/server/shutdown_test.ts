import { describe, test } from "node:test";
import { Hono } from "hono/tiny";
import { assert, assertEquals, assertThrows } from "../testing/assert.ts";
import { pause, testStreams } from "./_events_test_routes.ts";
import { listen } from "./_listen_test_server.ts";
import { eventually, rawClient } from "./_raw_test_client.ts";
import { SMALL_REQUEST, waitingClassifier } from "./_waiting_test_classifier.ts";
import { createHandler, shutdown } from "./create_handler.ts";
import type { HandlerOptions } from "./handler_options.ts";

const PATH = "/v1/tabular/predict";

/** A server, its handler and what is streamed at `/events`: "0", "1", ... each after so many milliseconds, up to a count. */
function setUp(count: number, ms: number, options: HandlerOptions = {}) {
  const streams = testStreams(async function* (signal) {
    for (let i = 0; i < count; i++) {
      yield `${i}`;
      await pause(ms, signal);
    }
  });
  const app = createHandler({ classifier: waitingClassifier().classifier, page: streams.routes, ...options });
  const server = listen((request) => app.fetch(request));
  return { app, server, streams, events: () => fetch(`${server.url}/events`, { method: "POST" }) };
}

describe("shutdown()", () => {
  test("resolves at once when nothing runs, twice too, and by the signal", async () => {
    const stop = new AbortController();
    const { app, server } = setUp(1, 1, { signal: stop.signal });
    stop.abort();
    await shutdown(app);
    await shutdown(app);
    assertEquals((await fetch(server.url + PATH, SMALL_REQUEST)).status, 503);
    await server.close();
  });

  test("refuses new requests with 503, health too, and lets connections go", async () => {
    const { app, server, events } = setUp(1000, 5, { limits: { graceMs: 300 } });
    const running = await events();
    const done = shutdown(app);
    for (const path of [PATH, "/nope", "/health"]) {
      const response = await fetch(server.url + path, path === PATH ? SMALL_REQUEST : {});
      assertEquals([response.status, response.headers.get("retry-after")], [503, "2"], path);
      assertEquals((await response.json()).error.code, "stopping");
    }
    const client = await rawClient(server.url);
    client.send(`GET /health HTTP/1.1\r\nhost: x\r\n\r\n`);
    assert(/^connection: close\r$/im.test(await client.until(/stopping/)), client.received);
    client.destroy();
    await running.text();
    await done;
    await server.close();
  });

  test("lets a stream finish that takes less than the grace", async () => {
    const { app, server, streams, events } = setUp(20, 5, { limits: { graceMs: 20_000 } });
    const response = await events();
    const begin = performance.now();
    const done = shutdown(app);
    const text = await response.text();
    assertEquals(text, Array.from({ length: 20 }, (_, i) => `data: ${i}\n\n`).join(""));
    await done;
    assert(performance.now() - begin < 10_000);
    assertEquals(streams.ended, 1);
    await server.close();
  });

  test("cancels a stream that takes longer, and tells its client", async () => {
    const { app, server, streams, events } = setUp(1_000_000, 5, { limits: { graceMs: 100 } });
    const response = await events();
    const begin = performance.now();
    const [text] = await Promise.all([response.text(), shutdown(app)]);
    const ms = performance.now() - begin;
    assert(ms >= 95 && ms < 3000, `${ms} ms`);
    const last = text.trim().split("\n\n").at(-1) ?? "";
    assertEquals(JSON.parse(last.slice("data: ".length)).error.code, "stopping");
    assertEquals(streams.ended, 1);
    await server.close();
  });

  test("cancels computations and those that wait for them", async () => {
    const self = waitingClassifier(() => new Promise(() => {}));
    const { app, server } = setUp(1, 1, { classifier: self.classifier, limits: { graceMs: 50 } });
    const pending = [1, 2, 3].map(() => fetch(server.url + PATH, SMALL_REQUEST));
    await eventually(() => self.fits.length === 1);
    await shutdown(app);
    for (const answer of pending) {
      const response = await answer;
      assertEquals([response.status, (await response.json()).error.code], [503, "stopping"]);
    }
    assertEquals([self.live, self.fits.length], [0, 1]);
    await server.close();
  });

  test("refuses an application of another kind", () => {
    assertThrows(() => shutdown(new Hono()), TypeError, "createHandler()");
  });
});
