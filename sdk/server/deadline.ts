/** A signal for one request, and how to let go of the signals behind it. */
export interface Deadline {
  /** Aborts when the client goes away or the time is up. */
  readonly signal: AbortSignal;
  /** Whether the time was up first. */
  readonly timedOut: boolean;
  /** Stops listening. */
  release(): void;
}

/**
 * Joins a request's signal with a time limit.
 *
 * Deno aborts a request's signal after a normal answer too, so this stops listening once it is released, which
 * `AbortSignal.any` cannot do.
 *
 * @param client The request's signal.
 * @param ms The time limit in milliseconds.
 * @returns The joined signal.
 */
export function deadline(client: AbortSignal, ms: number): Deadline {
  const controller = new AbortController();
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = !controller.signal.aborted;
    controller.abort(new DOMException("The time for this request is up", "TimeoutError"));
  }, ms);
  const leave = (): void => controller.abort(client.reason);
  if (client.aborted) leave();
  client.addEventListener("abort", leave, { once: true });
  return {
    signal: controller.signal,
    get timedOut() {
      return timedOut;
    },
    release(): void {
      clearTimeout(timer);
      client.removeEventListener("abort", leave);
    },
  };
}
