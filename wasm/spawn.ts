/**
 * Starts a script in a thread, in every runtime, so that the process may end while the thread idles.
 *
 * @module
 */
import type { Spawned, SpawnHandlers } from "./env.ts";

/** The part of a worker of `node:worker_threads` that is used. */
interface ThreadWorker {
  on(event: string, listener: (value: unknown) => void): void;
  postMessage(message: unknown): void;
  terminate(): unknown;
  unref(): void;
}

interface ThreadModule {
  readonly Worker: new (script: string, options: { eval: boolean }) => ThreadWorker;
}

interface BuiltinLoader {
  getBuiltinModule?(name: string): ThreadModule | undefined;
}

/**
 * Starts a script in a thread. The script hears from `self.onmessage`, or from `parentPort` where there is no `self`.
 *
 * @param source Text of the script; a plain script, not a module.
 * @param handlers What to do with what the thread says.
 * @returns The thread.
 * @throws Error if the runtime refuses workers.
 */
export function spawnWorker(source: string, handlers: SpawnHandlers): Spawned {
  // A web worker of Deno keeps the process alive and has no `unref`; its thread of `node:worker_threads` has one.
  if (!("unref" in Worker.prototype)) {
    const { process } = globalThis as { process?: BuiltinLoader };
    const threads = process?.getBuiltinModule?.("node:worker_threads");
    if (threads) return spawnThread(new threads.Worker(source, { eval: true }), handlers);
  }
  return spawnWebWorker(source, handlers);
}

function spawnThread(worker: ThreadWorker, handlers: SpawnHandlers): Spawned {
  worker.on("message", (data) => handlers.message(data));
  worker.on("error", (error) => handlers.error(reasonOf(error)));
  worker.on("exit", () => handlers.exit());
  worker.unref();
  return { post: (message) => worker.postMessage(message), terminate: () => void worker.terminate() };
}

function spawnWebWorker(source: string, handlers: SpawnHandlers): Spawned {
  const worker = startWebWorker(source);
  worker.onmessage = (event: MessageEvent) => handlers.message(event.data);
  worker.onerror = (event: ErrorEvent) => {
    event.preventDefault?.();
    handlers.error(event.message || reasonOf(event.error));
  };
  // Bun tells of the end of a worker; browsers do not.
  worker.addEventListener("close", () => handlers.exit());
  (worker as { unref?: () => void }).unref?.();
  return { post: (message) => worker.postMessage(message), terminate: () => worker.terminate() };
}

function startWebWorker(source: string): Worker {
  try {
    return new Worker(`data:text/javascript,${encodeURIComponent(source)}`, { type: "module" });
  } catch (error) {
    // Some pages' content policies allow blob: but not data:.
    if (typeof URL.createObjectURL !== "function") throw error;
    const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
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
