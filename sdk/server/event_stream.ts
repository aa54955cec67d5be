/** How events are sent. */
export interface EventStreamOptions {
  /** Aborts when the answer must end. */
  readonly signal: AbortSignal;
  /** Milliseconds without an event after which a comment is sent. */
  readonly keepAliveMs: number;
  /** Milliseconds after which a client that does not read is given up. */
  readonly stallMs: number;
  /** The client went away. */
  cancel(reason: unknown): void;
  /** Gives the last event's data after an error. */
  explain(error: unknown): string;
  /** The last event was made, or none will come since making them failed. */
  end(failed: boolean): void;
}

/**
 * Sends events one by one as server-sent events, not faster than they are read.
 *
 * @param events The data of each.
 * @param options How.
 * @returns The body, once there is an event or a comment.
 * @throws What the events throw before the first of them.
 */
export async function eventStream(
  events: AsyncIterable<string>,
  options: EventStreamOptions,
): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  const { signal, keepAliveMs, stallMs, cancel, explain, end } = options;
  const encoder = new TextEncoder();
  const begun = Promise.withResolvers<void>();
  let started = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let wake = (): void => {};
  let sink!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start: (controller): void => {
      sink = controller;
    },
    pull: (): void => wake(),
    cancel,
  });

  const send = (text: string): void => {
    started = true;
    sink.enqueue(encoder.encode(text));
    begun.resolve();
    clearTimeout(timer);
    timer = setTimeout(comment, keepAliveMs);
  };
  const comment = (): void => {
    // A client that does not read needs no comment.
    if ((sink.desiredSize ?? 0) > 0) send(": keep-alive\n\n");
    else timer = setTimeout(comment, keepAliveMs);
  };
  const read = (): Promise<void> =>
    new Promise((resolve, reject) => {
      if ((sink.desiredSize ?? 0) > 0) return resolve();
      const settle = (act: () => void) => (): void => {
        clearTimeout(stall);
        signal.removeEventListener("abort", aborted);
        wake = (): void => {};
        act();
      };
      const aborted = settle(() => reject(signal.reason));
      const stall = setTimeout(
        settle(() => {
          const reason = new DOMException("The client does not read its answer", "TimeoutError");
          cancel(reason);
          reject(reason);
        }),
        stallMs,
      );
      signal.addEventListener("abort", aborted, { once: true });
      wake = settle(resolve);
    });
  timer = setTimeout(comment, keepAliveMs);
  const pump = async (): Promise<void> => {
    let failed = true;
    try {
      for await (const data of events) {
        await read();
        signal.throwIfAborted();
        send(`data: ${data.replaceAll("\n", "\ndata: ")}\n\n`);
      }
      failed = false;
    } catch (error) {
      if (!started) throw error;
      const last = explain(error);
      if (sink.desiredSize !== null) trySend(() => send(`data: ${last}\n\n`));
    } finally {
      clearTimeout(timer);
      end(failed);
    }
    trySend(() => sink.close());
  };

  pump().then(() => begun.resolve(), begun.reject);
  await begun.promise;
  return stream;
}

/** A client that went away has closed the stream already. */
function trySend(act: () => void): void {
  try {
    act();
  } catch {
    // Nobody reads it.
  }
}
