import { describe, test } from "node:test";
import { assert, assertEquals, assertNotEquals, assertThrows } from "../../testing/assert.ts";
import { SMALL_REQUEST, waitingClassifier } from "../_waiting_test_classifier.ts";
import { createHandler } from "../create_handler.ts";
import type { HandlerOptions } from "../handler_options.ts";
import type { LogEvent } from "../log.ts";

const PATH = "/v1/tabular/predict";

const handler = (options: HandlerOptions = {}) =>
  createHandler({ classifier: waitingClassifier().classifier, ...options });

const post = (headers: Record<string, string> = {}): RequestInit => ({
  ...SMALL_REQUEST,
  headers: { "content-type": "application/json", ...headers },
});

describe("request ids", () => {
  test("a sane id of the client comes back", async () => {
    const response = await handler().request("/health", { headers: { "x-request-id": "a-1.b_2:c" } });
    assertEquals(response.headers.get("x-request-id"), "a-1.b_2:c");
  });

  test("an id that could break a header or a log is replaced", async () => {
    for (const id of ["", "a b", "a%0d%0aset-cookie:b", '{"a":1}', "é", "x".repeat(129), "a,b"]) {
      const response = await handler().request("/health", { headers: { "x-request-id": id } });
      const own = response.headers.get("x-request-id") ?? "";
      assert(/^[0-9a-f-]{36}$/.test(own), own);
    }
  });

  test("requests without an id get different ones, refusals too", async () => {
    const app = handler();
    const ids = [];
    for (const path of ["/health", "/health", "/nope"]) {
      ids.push((await app.request(path)).headers.get("x-request-id"));
    }
    assertEquals(new Set(ids).size, 3);
  });
});

describe("the log", () => {
  test("has one event for each answer, with the pattern of the path and the code of a refusal", async () => {
    const events: LogEvent[] = [];
    const app = handler({ log: (event) => events.push(event) });
    await app.request(PATH, post({ "x-request-id": "one" }));
    await app.request("/secret/path?token=secret");
    await app.request(PATH, { ...post(), body: "{" });
    await app.request(PATH);
    const seen = events.map(({ id, level, method, route, status, code }) => [
      id === "one",
      level,
      method,
      route,
      status,
      code,
    ]);
    assertEquals(seen, [
      [true, "info", "POST", PATH, 200, undefined],
      [false, "warn", "GET", "other", 404, "not_found"],
      [false, "warn", "POST", PATH, 400, "invalid_json"],
      [false, "warn", "GET", "other", 405, "method_not_allowed"],
    ]);
    assert(events.every(({ ms, time }) => ms !== undefined && ms >= 0 && !Number.isNaN(Date.parse(time))));
    assert(!JSON.stringify(events).includes("secret"));
  });

  test("names the class of an error, not what it says", async () => {
    const events: LogEvent[] = [];
    const { classifier } = waitingClassifier(() => Promise.reject(new SyntaxError("cell 'Ann Smith'")));
    await handler({ classifier, log: (event) => events.push(event) }).request(PATH, post());
    assertEquals([events[0]?.level, events[0]?.code, events[0]?.error], [
      "error",
      "internal_error",
      "SyntaxError",
    ]);
    assert(!JSON.stringify(events).includes("Ann"));
  });
});

describe("auth", () => {
  const tokens = ["first-token", "second-token"];

  test("each of several tokens is taken", async () => {
    const app = handler({ auth: { tokens } });
    for (const token of tokens) {
      for (const scheme of ["Bearer", "bearer"]) {
        assertEquals((await app.request(PATH, post({ authorization: `${scheme} ${token}` }))).status, 200);
      }
    }
  });

  test("a wrong token and none are refused with 401, before the body is read", async () => {
    const self = waitingClassifier();
    const app = handler({ classifier: self.classifier, auth: { tokens } });
    const wrong = [
      "",
      "Bearer",
      "Bearer ",
      "Bearer first-toke",
      "Bearer first-tokenx",
      "Bearer FIRST-TOKEN",
      "first-token",
    ];
    for (const authorization of [...wrong, "Basic first-token", "Bearer first-token second-token"]) {
      const response = await app.request(PATH, { ...post({ authorization }), body: "{" });
      const { error } = await response.json();
      assertEquals([response.status, error.code], [401, "invalid_api_key"], authorization);
      assertEquals(response.headers.get("www-authenticate"), "Bearer");
    }
    assertEquals((await app.request(PATH, post())).status, 401);
    assertEquals(self.fits, []);
  });

  test("health is open, figures and unknown paths are not", async () => {
    const app = handler({ auth: { tokens } });
    const status = async (path: string): Promise<number> => (await app.request(path)).status;
    assertEquals(await Promise.all(["/health", "/metrics", "/nope"].map(status)), [200, 401, 401]);
  });

  test("a caller is the same in every instance, and another for another token", async () => {
    const callers: (string | undefined)[] = [];
    const log = (event: LogEvent): void => void callers.push(event.caller);
    for (const token of [tokens[0], tokens[0], tokens[1]]) {
      await handler({ auth: { tokens }, log }).request(PATH, post({ authorization: `Bearer ${token}` }));
    }
    assertEquals(callers[0], callers[1]);
    assertNotEquals(callers[0], callers[2]);
    assert(/^[0-9a-f]{8}$/.test(callers[0] ?? ""));
  });

  test("createHandler() refuses no tokens and tokens that a header cannot carry", () => {
    for (const tokens of [[], [""], ["a b"], ["ok", "é"]]) {
      assertThrows(() => handler({ auth: { tokens } }), RangeError, "auth needs");
    }
  });
});

describe("other origins", () => {
  const origin = "https://a.example";
  const preflight = { method: "OPTIONS", headers: { origin, "access-control-request-method": "POST" } };
  const allowed = (response: Response) => response.headers.get("access-control-allow-origin");

  test("none may ask by default", async () => {
    const app = handler();
    assertEquals(allowed(await app.request("/health", { headers: { origin } })), null);
    assertEquals(allowed(await app.request(PATH, preflight)), null);
  });

  test("those that are named may ask, others not", async () => {
    const app = handler({ cors: { origins: [origin] } });
    const response = await app.request("/health", { headers: { origin } });
    assertEquals([allowed(response), response.headers.get("vary")], [origin, "origin"]);
    assertEquals(response.headers.get("cross-origin-resource-policy"), "cross-origin");
    assertEquals(allowed(await app.request("/health", { headers: { origin: "https://b.example" } })), null);
  });

  test("a browser's question needs no token", async () => {
    const app = handler({ cors: { origins: [origin] }, auth: { tokens: ["t"] } });
    const response = await app.request(PATH, {
      method: "OPTIONS",
      headers: { ...preflight.headers, "access-control-request-headers": "authorization, content-type" },
    });
    assertEquals([response.status, allowed(response)], [204, origin]);
    assertEquals(response.headers.get("access-control-allow-headers"), "authorization, content-type");
    assertEquals((await app.request(PATH, post({ origin }))).status, 401);
  });

  test("createHandler() refuses what is not an origin", () => {
    for (const wrong of ["a.example", "https://a.example/", "https://a.example/path", ""]) {
      assertThrows(() => handler({ cors: { origins: [wrong] } }), RangeError, "cors has");
    }
    handler({ cors: { origins: ["*", "http://localhost:5173"] } });
  });
});

describe("secure headers", () => {
  test("every answer has them, refusals too", async () => {
    const app = handler({ auth: { tokens: ["t"] } });
    for (const path of ["/health", "/nope", PATH]) {
      const { headers } = await app.request(path);
      assertEquals(headers.get("x-content-type-options"), "nosniff", path);
      assertEquals(headers.get("cache-control"), "no-store");
      assert(headers.get("content-security-policy")?.includes("default-src 'none'"));
    }
  });

  test("a route's own policy stays", async () => {
    const app = handler({
      page: (app) =>
        void app.get("/", (c) => {
          c.header("content-security-policy", "default-src 'self'");
          return c.html("<p>");
        }),
    });
    assertEquals((await app.request("/")).headers.get("content-security-policy"), "default-src 'self'");
  });
});
