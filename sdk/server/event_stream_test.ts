import { describe, test } from "node:test";
import { assert, assertEquals, assertRejects } from "../testing/assert.ts";
import { pause } from "./_events_test_routes.ts";
import { eventually } from "./_raw_test_client.ts";
import { eventStream, type EventStreamOptions } from "./event_stream.ts";

/** Options for tests, and how often the stream ended or was cancelled. */
function setUp(more: Partial<EventStreamOptions> = {}) {
  const stop = new AbortController();
  const seen = { ended: 0, cancelled: 0 };
  const options: EventStreamOptions = {
    signal: stop.signal,
    keepAliveMs: 10_000,
    stallMs: 10_000,
    cancel(reason): void {
      seen.cancelled++;
      stop.abort(reason);
    },
    explain: (error) => JSON.stringify({ error: (error as Error).message }),
    end: () => void seen.ended++,
    ...more,
  };
  return { stop, seen, options };
}

const textOf = (stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string> =>
  new Response(stream).text();

describe("eventStream()", () => {
  test("sends each event as a block, lines of one event apart", async () => {
    const { options, seen } = setUp();
    async function* events() {
      yield "one";
      await pause(1);
      yield "two\nlines";
    }
    assertEquals(
      await textOf(await eventStream(events(), options)),
      "data: one\n\ndata: two\ndata: lines\n\n",
    );
    assertEquals(seen, { ended: 1, cancelled: 0 });
  });

  test("ends at once when there are no events", async () => {
    const { options, seen } = setUp();
    async function* events(): AsyncGenerator<string> {}
    assertEquals(await textOf(await eventStream(events(), options)), "");
    assertEquals(seen.ended, 1);
  });

  test("throws what fails before the first event", async () => {
    const { options, seen } = setUp();
    // deno-lint-ignore require-yield
    async function* events(): AsyncGenerator<string> {
      await pause(1);
      throw new RangeError("too long");
    }
    await assertRejects(() => eventStream(events(), options), RangeError, "too long");
    assertEquals(seen.ended, 1);
  });

  test("sends what fails later as its last event", async () => {
    const { options, seen } = setUp();
    async function* events() {
      yield "one";
      throw new Error("broken");
    }
    const text = await textOf(await eventStream(events(), options));
    assertEquals(text, 'data: one\n\ndata: {"error":"broken"}\n\n');
    assertEquals(seen.ended, 1);
  });

  test("begins with a comment when the first event takes long, and goes on with comments while it is quiet", async () => {
    const { options } = setUp({ keepAliveMs: 20 });
    async function* events() {
      await pause(110);
      yield "one";
    }
    const text = await textOf(await eventStream(events(), options));
    const comments = text.split(": keep-alive\n\n").length - 1;
    assert(comments >= 2 && comments <= 5, text);
    assert(text.endsWith("data: one\n\n"), text);
  });

  test("makes no more events than are read", async () => {
    const { options, stop } = setUp();
    let made = 0;
    let left = false;
    async function* events() {
      try {
        while (true) yield `${made++}`;
      } finally {
        left = true;
      }
    }
    const reader = (await eventStream(events(), options)).getReader();
    await pause(20);
    assert(made <= 3, `made ${made}`);
    await reader.read();
    await pause(5);
    assert(made <= 4, `made ${made}`);
    stop.abort(new Error("stop"));
    await eventually(() => left);
    await reader.cancel();
  });

  test("gives up a client that does not read", async () => {
    const { options, seen } = setUp({ stallMs: 30 });
    let left = false;
    async function* events() {
      try {
        while (true) yield "x";
      } finally {
        left = true;
      }
    }
    await eventStream(events(), options);
    await eventually(() => seen.ended === 1);
    assertEquals([left, seen.cancelled], [true, 1]);
  });

  test("stops its events when the client goes away", async () => {
    const { options, seen, stop } = setUp();
    let left = false;
    async function* events() {
      try {
        yield "one";
        await new Promise((_, reject) =>
          stop.signal.addEventListener("abort", () => reject(stop.signal.reason))
        );
      } finally {
        left = true;
      }
    }
    const reader = (await eventStream(events(), options)).getReader();
    await reader.read();
    await reader.cancel(new Error("gone"));
    await eventually(() => seen.ended === 1);
    assertEquals([left, seen.cancelled], [true, 1]);
  });
});
