import { describe, test } from "node:test";
import { Hono } from "hono/tiny";
import { assertEquals } from "../testing/assert.ts";
import type { ApiError } from "./api_error.ts";
import { createService } from "./create_service.ts";
import { createLifecycle } from "./lifecycle.ts";
import { withDefaults } from "./limits.ts";
import { createMetrics } from "./metrics.ts";
import { createQueue } from "./queue.ts";
import { stateOf } from "./request_state.ts";

/** A service for one request of a token at a time, and how many listen to its shutdown. */
function setUp() {
  const lifecycle = createLifecycle();
  let listening = 0;
  const forced: typeof lifecycle.forced = {
    aborted: false,
    reason: undefined,
    addEventListener: () => void listening++,
    removeEventListener: () => void listening--,
  };
  const service = createService({
    limits: withDefaults({ perToken: 1 }),
    model: "m",
    metrics: createMetrics(),
    log: () => {},
    onError: () => {},
    queue: createQueue(1),
    lifecycle: { ...lifecycle, forced },
    computed: () => {},
  });
  return { service, listening: () => listening };
}

describe("createService()", () => {
  test("compute() and events() leave nothing behind when a token has too many requests", async () => {
    const { service, listening } = setUp();
    const gate = Promise.withResolvers<void>();
    async function* nothing(): AsyncGenerator<string> {}
    const app = new Hono();
    app.use(async (c, next) => {
      stateOf(c).caller = "someone";
      await next();
    });
    app.post(
      "/compute",
      async (c) => c.json(await service.compute(c, () => gate.promise.then(() => "done"))),
    );
    app.post("/events", (c) => service.events(c, nothing));
    app.onError((error) => (error as ApiError).toResponse());
    const first = app.request("/compute", { method: "POST" });
    await new Promise((resolve) => setTimeout(resolve));
    const before = listening();
    for (const path of ["/compute", "/events"]) {
      assertEquals((await app.request(path, { method: "POST" })).status, 429);
      assertEquals(listening(), before);
    }
    gate.resolve();
    assertEquals((await first).status, 200);
    assertEquals(listening(), 0);
  });
});
