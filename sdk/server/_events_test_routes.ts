import type { Routes } from "./service.ts";

/** Streams of a test, and what became of them. */
export interface TestStreams {
  /** `POST /events` sends what `produce` gives. */
  readonly routes: Routes;
  /** Events that were made. */
  made: number;
  /** Streams that were begun and left. */
  begun: number;
  /** Streams that ended, in whatever way. */
  ended: number;
}

/**
 * Makes a route that streams, for tests of what is common to all that do.
 *
 * @param produce Gives the events; nothing of it is called after the stream ended.
 * @returns The route.
 */
export function testStreams(produce: (signal: AbortSignal) => AsyncIterable<string>): TestStreams {
  const self: TestStreams = {
    made: 0,
    begun: 0,
    ended: 0,
    routes: (app, service) => void app.post("/events", (c) => service.events(c, count)),
  };
  async function* count(signal: AbortSignal): AsyncGenerator<string> {
    self.begun++;
    try {
      for await (const event of produce(signal)) {
        self.made++;
        yield event;
      }
    } finally {
      self.ended++;
    }
  }
  return self;
}

/**
 * Waits, but not longer than the signal says.
 *
 * @param ms How long.
 * @param signal Its reason is thrown.
 */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    }, { once: true });
  });
}

/** A figure of a server. */
export async function figure(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const value = new RegExp(`^filigree_${name} (\\S+)$`, "m").exec(text)?.[1];
  return value === undefined ? NaN : Number(value);
}
