/**
 * Starts workers, in every runtime, that do not keep the process alive while they idle.
 *
 * @module
 */

/** A worker; messages go both ways. */
export interface Spawned {
  /** Sends a value; what is in `transfer` moves instead of being copied. */
  post(message: unknown, transfer?: ArrayBuffer[]): void;
  /** Ends the worker at once. */
  terminate(): void;
  /** Says whether the process should stay alive for the worker. @default it should not */
  hold(alive: boolean): void;
}

/** What may be heard from a worker. */
export interface SpawnHandlers {
  message(data: unknown): void;
  /** The worker failed and is gone. */
  error(reason: string): void;
  /** The worker ended; some runtimes never tell. */
  exit(): void;
}

/** What a worker runs: the text of a plain script, or the address of a module. */
export type WorkerCode = string | URL;

/** The part of a worker of `node:worker_threads` that is used. */
interface ThreadWorker {
  on(event: string, listener: (value: unknown) => void): void;
  postMessage(message: unknown, transfer?: ArrayBuffer[]): void;
  terminate(): unknown;
  ref(): void;
  unref(): void;
}

interface ThreadModule {
  readonly Worker: new (
    code: WorkerCode,
    options: { eval: boolean; env: Record<string, string> },
  ) => ThreadWorker;
}

interface BuiltinLoader {
  getBuiltinModule?(name: string): ThreadModule | undefined;
}

/**
 * Starts a worker. Its code hears from `self.onmessage`, or from `parentPort` where there is no `self`.
 *
 * @param code What to run.
 * @param handlers What to do with what the worker says.
 * @returns The worker.
 * @throws Error if the runtime refuses workers, or this one at once.
 */
export function spawnWorker(code: WorkerCode, handlers: SpawnHandlers): Spawned {
  // A web worker of Deno keeps the process alive and has no `unref`; its thread of `node:worker_threads` has one.
  if (!("unref" in Worker.prototype)) {
    const { process } = globalThis as { process?: BuiltinLoader };
    const threads = process?.getBuiltinModule?.("node:worker_threads");
    // Without an environment of its own, Deno copies the process's, and asks the user for permission to.
    const options = { eval: typeof code === "string", env: {} };
    if (threads) return spawnThread(new threads.Worker(code, options), handlers);
  }
  return spawnWebWorker(code, handlers);
}

function spawnThread(worker: ThreadWorker, handlers: SpawnHandlers): Spawned {
  worker.on("message", (data) => handlers.message(data));
  worker.on("error", (error) => handlers.error(reasonOf(error)));
  worker.on("exit", () => handlers.exit());
  worker.unref();
  return {
    post: (message, transfer) => worker.postMessage(message, transfer),
    terminate: () => void worker.terminate(),
    hold: (alive) => alive ? worker.ref() : worker.unref(),
  };
}

function spawnWebWorker(code: WorkerCode, handlers: SpawnHandlers): Spawned {
  const worker = startWebWorker(code);
  const counted = worker as { ref?: () => void; unref?: () => void };
  worker.onmessage = (event: MessageEvent) => handlers.message(event.data);
  worker.onerror = (event: ErrorEvent) => {
    event.preventDefault?.();
    handlers.error(event.message || reasonOf(event.error));
  };
  // Bun tells of the end of a worker; browsers do not.
  worker.addEventListener("close", () => handlers.exit());
  counted.unref?.();
  return {
    post: (message, transfer = []) => worker.postMessage(message, transfer),
    terminate: () => worker.terminate(),
    hold: (alive) => alive ? counted.ref?.() : counted.unref?.(),
  };
}

function startWebWorker(code: WorkerCode): Worker {
  if (typeof code !== "string") return new Worker(code, { type: "module" });
  try {
    return new Worker(`data:text/javascript,${encodeURIComponent(code)}`, { type: "module" });
  } catch (error) {
    // Some pages' content policies allow blob: but not data:.
    if (typeof URL.createObjectURL !== "function") throw error;
    const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
    try {
      return new Worker(url, { type: "module" });
    } finally {
      setTimeout(() => URL.revokeObjectURL(url), 10_000);
    }
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error ?? "unknown reason");
}
