/** Runs tasks one after the other. */
export interface Queue {
  /** Tasks that wait now. */
  readonly waiting: number;
  /**
   * Runs a task once those before it are done.
   *
   * @throws {QueueFullError} If too many wait already; or the signal's reason, if it aborts while the task waits.
   */
  run<T>(task: () => Promise<T>, signal: AbortSignal): Promise<T>;
}

/** Thrown when a queue takes no more tasks. */
export class QueueFullError extends Error {
  /** The name of the class. */
  override readonly name = "QueueFullError";
}

/**
 * Makes a queue that runs one task at a time, first come first served.
 *
 * @param maxWaiting Tasks that may wait.
 * @returns The queue.
 */
export function createQueue(maxWaiting: number): Queue {
  const waiting = new Set<() => void>();
  let busy = false;

  const turn = (signal: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      const start = (): void => {
        signal.removeEventListener("abort", leave);
        resolve();
      };
      const leave = (): void => {
        waiting.delete(start);
        reject(signal.reason);
      };
      signal.addEventListener("abort", leave, { once: true });
      waiting.add(start);
    });

  const next = (): void => {
    const [start] = waiting;
    if (start) {
      waiting.delete(start);
      start();
    } else {
      busy = false;
    }
  };

  return {
    get waiting() {
      return waiting.size;
    },
    async run<T>(task: () => Promise<T>, signal: AbortSignal): Promise<T> {
      signal.throwIfAborted();
      if (busy) {
        if (waiting.size >= maxWaiting) throw new QueueFullError("The queue is full");
        await turn(signal);
      }
      busy = true;
      try {
        return await task();
      } finally {
        next();
      }
    },
  };
}
