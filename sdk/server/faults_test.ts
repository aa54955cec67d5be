import { describe, test } from "node:test";
import { assert, assertEquals, assertRejects } from "../testing/assert.ts";
import { figure, pause, type TestStreams, testStreams } from "./_events_test_routes.ts";
import {
  SMALL_REQUEST,
  SMALL_TABLE,
  type WaitingClassifier,
  waitingClassifier,
} from "./_waiting_test_classifier.ts";
import { listen } from "./_listen_test_server.ts";
import { eventually, rawClient } from "./_raw_test_client.ts";
import { createHandler } from "./create_handler.ts";
import type { HandlerOptions } from "./handler_options.ts";

const PATH = "/v1/tabular/predict";
const HEAD = `POST ${PATH} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n`;

/** Serves with options while a test runs, which must leave nothing behind. */
async function withServer(
  options: HandlerOptions,
  run: (url: string) => Promise<void>,
): Promise<void> {
  const app = createHandler({ classifier: waitingClassifier().classifier, ...options });
  const server = listen((request) => app.fetch(request));
  try {
    await run(server.url);
    if (!options.auth) await nothingLeft(server.url);
  } finally {
    await server.close();
  }
}

/** The request for the figure is the one that is active. */
async function nothingLeft(url: string): Promise<void> {
  const names = ["requests_active", "queue_waiting", "body_bytes"];
  for (let i = 0; i < 200; i++) {
    const [active, waiting, bytes] = await Promise.all(names.map((name) => figure(url, name)));
    if (active! <= names.length && waiting === 0 && bytes === 0) return;
    await pause(10);
  }
  throw new Error("Requests, places or bodies are left");
}

/** A classifier that never answers. */
const stuck = (): WaitingClassifier => waitingClassifier(() => new Promise(() => {}));

const small = (url: string, more: RequestInit = {}): Promise<Response> =>
  fetch(url + PATH, { ...SMALL_REQUEST, ...more });

describe("a body that is too long", () => {
  const limits = { bodyBytes: 100_000 };

  test("with Content-Length is refused before it comes", () =>
    withServer({ limits }, async (url) => {
      const client = await rawClient(url);
      client.send(`${HEAD}content-length: 100000000\r\n\r\n{`);
      const answer = await client.until(/request_too_large/);
      assert(answer.startsWith("HTTP/1.1 413 "), answer);
      client.destroy();
      assertEquals((await small(url)).status, 200);
    }));

  test("without Content-Length is refused while it comes", () =>
    withServer({ limits }, async (url) => {
      const client = await rawClient(url);
      client.send(`${HEAD}transfer-encoding: chunked\r\n\r\n`);
      const piece = `4000\r\n${" ".repeat(0x4000)}\r\n`;
      for (let i = 0; i < 8; i++) client.send(piece);
      const answer = await client.until(/request_too_large/);
      assert(answer.startsWith("HTTP/1.1 413 "), answer);
      client.destroy();
      assertEquals((await small(url)).status, 200);
    }));

  test("all bodies together are bounded: those that come too many are told to come back", () =>
    withServer({ limits: { bodyBytes: 100_000, heldBytes: 150_000 } }, async (url) => {
      const half = `${HEAD}content-length: 100000\r\n\r\n${" ".repeat(90_000)}`;
      const [first, second] = await Promise.all([rawClient(url), rawClient(url)]);
      first.send(half);
      for (let i = 0; await figure(url, "body_bytes") < 90_000; i++) assert(i < 1000);
      second.send(half);
      const answer = await second.until(/overloaded/);
      assert(answer.startsWith("HTTP/1.1 503 ") && /^retry-after: 1\r$/im.test(answer), answer);
      first.destroy();
      second.destroy();
    }));
});

describe("a client that is slow", () => {
  test("slow loris: a body that drips is refused with 408", () =>
    withServer({ limits: { bodyMs: 150 } }, async (url) => {
      const client = await rawClient(url);
      client.send(`${HEAD}content-length: 1000\r\n\r\n`);
      const drip = setInterval(() => client.send(" "), 20);
      const answer = await client.until(/request_timeout/).finally(() => clearInterval(drip));
      assert(answer.startsWith("HTTP/1.1 408 "), answer);
      client.destroy();
    }));

  test("slow loris: headers that drip keep nobody else waiting", () =>
    withServer({}, async (url) => {
      const clients = await Promise.all(Array.from({ length: 50 }, () => rawClient(url)));
      for (const client of clients) client.send(`${HEAD}x-a: b`);
      assertEquals((await small(url)).status, 200);
      for (const client of clients) client.destroy();
    }));

  test("a streamed answer that is not read is made no further, and given up", () => {
    const streams = testStreams(async function* (signal) {
      while (true) {
        await pause(0, signal);
        yield "x".repeat(100_000);
      }
    });
    return withServer({ page: streams.routes, limits: { stallMs: 300, timeoutMs: 20_000 } }, async (url) => {
      const client = await rawClient(url);
      client.socket.pause();
      client.send("POST /events HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n");
      await eventually(() => streams.ended === 1, 10_000);
      assert(streams.made < 500, `made ${streams.made} events of 100 kB that nobody reads`);
      client.destroy();
    });
  });
});

describe("a client that goes away", () => {
  test("before its request is complete leaves nothing", () =>
    withServer({}, async (url) => {
      for (const text of ["", "POST /v1", HEAD, `${HEAD}content-length: 1000\r\n\r\n`]) {
        const client = await rawClient(url);
        client.send(text);
        await pause(5);
        client.destroy();
      }
    }));

  test("while its body comes leaves nothing", () =>
    withServer({}, async (url) => {
      const client = await rawClient(url);
      client.send(`${HEAD}content-length: 100000\r\n\r\n${" ".repeat(50_000)}`);
      for (let i = 0; await figure(url, "body_bytes") === 0; i++) assert(i < 1000);
      client.destroy();
      for (let i = 0; await figure(url, "body_bytes") > 0; i++) assert(i < 1000);
    }));

  test("while it waits gives its place to another", () => {
    const gates: (() => void)[] = [];
    const self = waitingClassifier(() => new Promise<void>((resolve) => gates.push(resolve)));
    return withServer({ classifier: self.classifier, limits: { waiting: 1 } }, async (url) => {
      const first = small(url);
      await eventually(() => gates.length === 1);
      const gone = new AbortController();
      const second = small(url, { signal: gone.signal });
      for (let i = 0; await figure(url, "queue_waiting") < 1; i++) assert(i < 1000);
      gone.abort();
      await assertRejects(() => second);
      for (let i = 0; await figure(url, "queue_waiting") > 0; i++) assert(i < 1000);
      const third = small(url);
      gates[0]!();
      assertEquals((await first).status, 200);
      await eventually(() => gates.length === 2);
      gates[1]!();
      assertEquals((await third).status, 200);
      assertEquals(self.fits.length, 2);
    });
  });

  test("while it computes stops the work and frees its memory", () => {
    const self = stuck();
    return withServer({ classifier: self.classifier }, async (url) => {
      for (let i = 1; i <= 5; i++) {
        const gone = new AbortController();
        const pending = small(url, { signal: gone.signal });
        await eventually(() => self.fits.length === i);
        gone.abort();
        await assertRejects(() => pending);
        await eventually(() => self.live === 0 && self.aborted === i);
      }
    });
  });

  test("while its answer is streamed stops the work", () => {
    const streams = testStreams(async function* (signal) {
      while (true) {
        yield "x";
        await pause(5, signal);
      }
    });
    return withServer({ page: streams.routes }, async (url) => {
      for (let i = 1; i <= 5; i++) {
        const gone = new AbortController();
        const response = await fetch(`${url}/events`, { method: "POST", signal: gone.signal });
        await response.body!.getReader().read();
        gone.abort();
        await eventually(() => streams.ended === i);
      }
    });
  });

  test("after its answer disturbs nobody", () =>
    withServer({}, async (url) => {
      const client = await rawClient(url);
      client.send(`${HEAD}content-length: ${SMALL_TABLE.length}\r\n\r\n${SMALL_TABLE}`);
      await client.until(/predictions/);
      client.destroy();
      assertEquals((await small(url)).status, 200);
    }));
});

describe("many requests", () => {
  test("100 at once are all answered, each with its own", async () => {
    const self = waitingClassifier(() => pause(1));
    await withServer({ classifier: self.classifier, limits: { waiting: 100 } }, async (url) => {
      const answers = await Promise.all(Array.from({ length: 100 }, async (_, i) => {
        const train = [{ a: 1, label: `mine-${i}` }, { a: 2, label: `mine-${i}` }];
        const body = JSON.stringify({ train, target: "label", rows: [{ a: 1 }] });
        const response = await small(url, { body });
        assertEquals(response.status, 200);
        return (await response.json()).classes;
      }));
      assertEquals(answers, Array.from({ length: 100 }, (_, i) => [`mine-${i}`]));
      assertEquals(self.live, 0);
    });
  });

  test("more than there are places for are told to come back, and it goes on after", () => {
    const self = waitingClassifier(() => pause(20));
    return withServer({ classifier: self.classifier, limits: { waiting: 3 } }, async (url) => {
      const responses = await Promise.all(Array.from({ length: 20 }, () => small(url)));
      const refused = responses.filter(({ status }) => status === 503);
      assert(refused.length > 0 && refused.length <= 16, `${refused.length}`);
      for (const response of refused) {
        assertEquals(response.headers.get("retry-after"), "1");
        assertEquals((await response.json()).error.code, "overloaded");
      }
      assertEquals(responses.filter(({ status }) => status === 200).length, 20 - refused.length);
      assertEquals((await small(url)).status, 200);
    });
  });

  test("more of one token than it may have are told to come back, those of another are not", () => {
    const gate = Promise.withResolvers<void>();
    const self = waitingClassifier(() => gate.promise);
    const options = { classifier: self.classifier, auth: { tokens: ["a", "b"] }, limits: { perToken: 2 } };
    return withServer(options, async (url) => {
      const ask = (token: string) =>
        small(url, { headers: { "content-type": "application/json", authorization: `Bearer ${token}` } });
      const mine = [ask("a"), ask("a")];
      await eventually(() => self.fits.length === 1);
      await pause(20);
      const response = await ask("a");
      assertEquals([response.status, response.headers.get("retry-after")], [429, "1"]);
      assertEquals((await response.json()).error.code, "rate_limit_exceeded");
      const other = ask("b");
      gate.resolve();
      for (const answer of [...mine, other]) assertEquals((await answer).status, 200);
      assertEquals((await ask("a")).status, 200);
    });
  });

  test("one that takes too long is cancelled, and the next is answered", () => {
    let slow = true;
    const self = waitingClassifier(() => slow ? new Promise(() => {}) : Promise.resolve());
    return withServer({ classifier: self.classifier, limits: { timeoutMs: 100 } }, async (url) => {
      const response = await small(url);
      assertEquals([response.status, response.headers.get("retry-after")], [503, "5"]);
      assertEquals((await response.json()).error.code, "timeout");
      assertEquals([self.aborted, self.live], [1, 0]);
      slow = false;
      assertEquals((await small(url)).status, 200);
    });
  });

  test("a stream that takes too long ends with an error event", () => {
    const streams: TestStreams = testStreams(async function* (signal) {
      yield "one";
      await pause(60_000, signal);
    });
    return withServer({ page: streams.routes, limits: { timeoutMs: 100 } }, async (url) => {
      const text = await (await fetch(`${url}/events`, { method: "POST" })).text();
      const [first, last] = text.trim().split("\n\n");
      assertEquals(first, "data: one");
      assertEquals(JSON.parse(last!.slice("data: ".length)).error.code, "timeout");
      assertEquals(streams.ended, 1);
    });
  });
});

describe("strange requests", () => {
  test("HEAD and OPTIONS answer without a body", () =>
    withServer({}, async (url) => {
      const head = await fetch(`${url}/health`, { method: "HEAD" });
      assertEquals([head.status, await head.text()], [200, ""]);
      const options = await fetch(url + PATH, { method: "OPTIONS" });
      assertEquals([options.status, options.headers.get("allow"), await options.text()], [
        204,
        "POST, OPTIONS",
        "",
      ]);
      assertEquals((await fetch(url + PATH, { method: "HEAD" })).status, 405);
      assertEquals((await fetch(`${url}/nope`, { method: "OPTIONS" })).status, 404);
    }));

  test("path tricks do not get around the token", () =>
    withServer({ auth: { tokens: ["t"] } }, async (url) => {
      const tricks = [
        "//metrics",
        "/./metrics",
        "/health/../metrics",
        "/health/%2e%2e/metrics",
        "/%6detrics",
        "/metrics/",
      ];
      const more = [
        "/metrics?/health",
        "/health%00",
        "/HEALTH",
        "/health;/metrics",
        "/health%2f..%2fmetrics",
        "/\\metrics",
      ];
      for (const path of [...tricks, ...more, "http://x/metrics", "/%", "/%ff", "*"]) {
        const client = await rawClient(url);
        client.send(`GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
        await client.closed;
        assert(/^HTTP\/1\.1 4\d\d /.test(client.received), `${path}: ${client.received.slice(0, 100)}`);
        assert(!client.received.includes("filigree_"), path);
      }
    }));

  test("a request id cannot add a header or a line to the log", () => {
    const lines: string[] = [];
    return withServer({ log: (event) => lines.push(JSON.stringify(event)) }, async (url) => {
      for (
        const id of [
          "a\r\nset-cookie: b",
          "a\nset-cookie: b",
          "a\rset-cookie: b",
          "a%0d%0aset-cookie:b",
          "\x00",
          "a\r\n set-cookie: b",
        ]
      ) {
        const client = await rawClient(url);
        client.send(`GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-request-id: ${id}\r\n\r\n`);
        await client.closed;
        assert(!/^set-cookie/im.test(client.received), JSON.stringify(id));
        const own = /^x-request-id: (.*?)\r$/im.exec(client.received)?.[1];
        assert(own === undefined || /^[\w.:-]{1,128}$/.test(own), own);
      }
      assert(lines.every((line) => !line.includes("cookie") && !line.includes("\n")), lines.join());
    });
  });

  test("nothing of a caller is in another's answer or in the log", () => {
    const lines: string[] = [];
    const errors: unknown[] = [];
    const self = waitingClassifier(() => Promise.reject(new SyntaxError("bad cell secret-9")));
    const good = waitingClassifier(() => pause(1));
    let fail = false;
    const classifier = { fork: () => (fail ? self : good).classifier.fork() };
    const tokens = Array.from({ length: 10 }, (_, i) => `token-secret-${i}`);
    const log = (event: object): void => void lines.push(JSON.stringify(event));
    const options = { classifier, auth: { tokens }, log, onError: (error: unknown) => errors.push(error) };
    return withServer(options, async (url) => {
      const ask = async (i: number): Promise<string> => {
        const train = [{ [`column-secret-${i}`]: `cell-secret-${i}`, label: `label-secret-${i}` }];
        const response = await small(`${url}`, {
          headers: { "content-type": "application/json", authorization: `Bearer ${tokens[i]}` },
          body: JSON.stringify({ train, target: "label", rows: [{ [`column-secret-${i}`]: "x" }] }),
        });
        return await response.text();
      };
      const answers = await Promise.all(tokens.map((_, i) => ask(i)));
      answers.forEach((answer, i) => {
        assert(answer.includes(`label-secret-${i}`), answer);
        assertEquals(answer.replaceAll(`label-secret-${i}`, "").includes("secret"), false);
      });
      fail = true;
      assert(!(await ask(9)).includes("secret"));
      assertEquals(errors.length, 1);
      await fetch(`${url}/v1/secret?secret`, { headers: { "x-secret": "secret", "user-agent": "secret" } });
      assertEquals(lines.length, 12);
      assert(!lines.join().includes("secret"), lines.join("\n"));
    });
  });
});
