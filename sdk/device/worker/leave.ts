/**
 * Ends workers in time when the process ends.
 *
 * @module
 */

/** Time for the thread of a worker to end and the driver of its GPU with it, in milliseconds. */
const PAUSE = 100;

interface Process {
  on?(event: "exit", listener: () => void): void;
  off?(event: "exit", listener: () => void): void;
}

/**
 * Calls `end` when the process ends, and waits a little. Deno crashes in the driver when its process ends while a worker that
 * holds a GPU, or asked for one, is there or just being terminated.
 *
 * @param end Terminates the worker.
 * @returns Takes it back, when the worker is gone.
 */
export function endAtExit(end: () => void): () => void {
  const { process } = globalThis as { process?: Process };
  const leave = (): void => {
    end();
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE);
  };
  process?.on?.("exit", leave);
  return () => process?.off?.("exit", leave);
}
