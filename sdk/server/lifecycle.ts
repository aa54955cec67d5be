import type { AbortSource } from "./deadline.ts";

/** Knows the requests that run, and ends them when the server shuts down. */
export interface Lifecycle {
  /** Requests that run now. */
  readonly active: number;
  /** Whether no more requests are taken. */
  readonly stopping: boolean;
  /** Aborts when those that run must end. */
  readonly forced: AbortSource;
  /** Begins a request; the function that comes back ends it. */
  enter(): () => void;
  /**
   * Takes no more requests, and aborts those that still run after a while.
   *
   * @param graceMs How long they may go on, in milliseconds.
   * @returns Resolves when the last one ended. A second call waits for the same.
   */
  stop(graceMs: number): Promise<void>;
}

/** Some platforms make no `AbortController` outside of requests, nor share it among them. */
class Forced extends EventTarget implements AbortSource {
  aborted = false;
  reason: unknown;

  abort(): void {
    this.aborted = true;
    this.reason = new DOMException("The server is shutting down", "AbortError");
    this.dispatchEvent(new Event("abort"));
  }
}

/**
 * Makes a lifecycle.
 *
 * @returns It, without requests.
 */
export function createLifecycle(): Lifecycle {
  const forced = new Forced();
  const idle = Promise.withResolvers<void>();
  let active = 0;
  let stopped: Promise<void> | undefined;
  return {
    get active() {
      return active;
    },
    get stopping() {
      return stopped !== undefined;
    },
    forced,
    enter(): () => void {
      let inside = true;
      active++;
      return (): void => {
        if (!inside) return;
        inside = false;
        active--;
        if (active === 0 && stopped) idle.resolve();
      };
    },
    stop(graceMs): Promise<void> {
      if (stopped) return stopped;
      const timer = setTimeout(() => forced.abort(), graceMs);
      if (active === 0) idle.resolve();
      return stopped = idle.promise.finally(() => clearTimeout(timer));
    },
  };
}
