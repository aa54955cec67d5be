/** What of a signal tells that it aborts. */
export type AbortSource = Pick<
  AbortSignal,
  "aborted" | "reason" | "addEventListener" | "removeEventListener"
>;

/** A signal for one request, and how to let go of the signals behind it. */
export interface Deadline {
  /** Aborts when the client goes away, the time is up, or the server gives up. */
  readonly signal: AbortSignal;
  /** Whether the time was up first. */
  readonly timedOut: boolean;
  /** Aborts the signal now. */
  cancel(reason: unknown): void;
  /** Stops listening. */
  release(): void;
}

/**
 * Joins signals with a time limit.
 *
 * Deno aborts a request's signal after a normal answer too, so this stops listening once it is released, which
 * `AbortSignal.any` cannot do.
 *
 * @param sources The request's signal, and others.
 * @param ms The time limit in milliseconds.
 * @returns The joined signal.
 */
export function deadline(sources: readonly AbortSource[], ms: number): Deadline {
  const controller = new AbortController();
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = !controller.signal.aborted;
    controller.abort(new DOMException("The time for this request is up", "TimeoutError"));
  }, ms);
  const leave = (): void => controller.abort(sources.find(({ aborted }) => aborted)?.reason);
  if (sources.some(({ aborted }) => aborted)) leave();
  for (const source of sources) source.addEventListener("abort", leave, { once: true });
  return {
    signal: controller.signal,
    get timedOut() {
      return timedOut;
    },
    cancel: (reason): void => controller.abort(reason),
    release(): void {
      clearTimeout(timer);
      for (const source of sources) source.removeEventListener("abort", leave);
    },
  };
}
