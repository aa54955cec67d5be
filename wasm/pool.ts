/**
 * The threads that help the leader.
 *
 * @module
 */
import type { Spawned } from "../sdk/device/worker/spawn.ts";
import type { WasmEnv } from "./env.ts";
import { WORKER_SOURCE, WORKER_STACK, type WorkerNews, type WorkerStart } from "./worker_source.ts";

/** Threads that wait for jobs in a shared memory. */
export interface Pool {
  readonly workers: number;
  /** Hands out the kernels and their memory; resolves when every worker takes jobs, rejects if one fails or time is up. */
  join(module: WebAssembly.Module, memory: WebAssembly.Memory, signal?: AbortSignal): Promise<void>;
  /** Ends all workers, after `stop` made them return. Twice is allowed. */
  end(): void;
}

/** Time that a worker gets to leave by itself, in milliseconds. */
const GRACE = 1000;

/**
 * Starts the threads of a pool; they load while the caller goes on.
 *
 * @param env The runtime.
 * @param count Number of workers, without the leader.
 * @param onLost Called once if a worker fails or ends later than {@linkcode Pool.join} and before {@linkcode Pool.end}.
 * @returns The pool.
 * @throws Error if the runtime refuses a worker.
 */
export function startPool(env: WasmEnv, count: number, onLost: (reason: string) => void): Pool {
  const workers: { thread: Spawned; gone: boolean }[] = [];
  const joined = Promise.withResolvers<void>();
  // Somebody may give the pool up before they wait for it.
  joined.promise.catch(() => {});
  let ready = 0;
  let state: "starting" | "joined" | "lost" | "ended" = "starting";

  const lose = (reason: string): void => {
    if (state === "starting") joined.reject(new Error(reason));
    else if (state === "joined") onLost(reason);
    else return;
    state = "lost";
  };
  let grace: ReturnType<typeof setTimeout> | undefined;
  const leave = (worker: { gone: boolean }): void => {
    worker.gone = true;
    if (state === "ended" && workers.every(({ gone }) => gone)) clearTimeout(grace);
  };
  const hear = (index: number, news: WorkerNews): void => {
    if (news === "done" && state === "ended") {
      leave(workers[index - 1]!);
    } else if (news === "ready") {
      ready++;
      if (ready < count || state !== "starting") return;
      state = "joined";
      joined.resolve();
    } else {
      lose(`Worker ${index} ${news === "done" ? "left before it was told to" : `failed: ${news.error}`}`);
    }
  };

  const end = (): void => {
    if (state === "ended") return;
    if (state === "starting") joined.reject(new Error("The workers were ended before they had started"));
    const graceful = state === "joined";
    state = "ended";
    const terminate = (): void => {
      for (const worker of workers) {
        if (!worker.gone) worker.thread.terminate();
        worker.gone = true;
      }
    };
    if (!graceful) terminate();
    else if (workers.some(({ gone }) => !gone)) grace = setTimeout(terminate, GRACE);
  };

  try {
    for (let index = 1; index <= count; index++) {
      const worker: { thread: Spawned; gone: boolean } = {
        thread: env.spawn(WORKER_SOURCE, {
          message: (news) => hear(index, news as WorkerNews),
          error: (reason) => lose(`Worker ${index} failed: ${reason}`),
          exit: () => {
            leave(worker);
            lose(`Worker ${index} ended`);
          },
        }),
        gone: false,
      };
      workers.push(worker);
    }
  } catch (error) {
    end();
    throw error;
  }

  return {
    workers: count,
    async join(module, memory, signal) {
      workers.forEach(({ thread }, i) => {
        const start: WorkerStart = { module, memory, index: i + 1, stack: WORKER_STACK };
        thread.hold(true);
        thread.post(start);
      });
      const timer = setTimeout(
        () => lose(`${count - ready} of ${count} workers did not start within ${env.patience} ms`),
        env.patience,
      );
      const abort = (): void => joined.reject(signal?.reason);
      signal?.addEventListener("abort", abort);
      try {
        signal?.throwIfAborted();
        await joined.promise;
      } finally {
        for (const { thread } of workers) thread.hold(false);
        clearTimeout(timer);
        signal?.removeEventListener("abort", abort);
      }
    },
    end,
  };
}
