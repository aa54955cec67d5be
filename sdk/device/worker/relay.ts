/**
 * Lets a worker have workers of its own that its parent starts for it.
 *
 * Deno delivers the messages of a worker's worker half a second late, and some browsers know no such workers.
 *
 * @module
 */
import type { Spawned, SpawnHandlers } from "./spawn.ts";

/** What a worker asks its parent to do with worker number `worker`. */
export type RelayRequest =
  | { readonly kind: "spawn"; readonly worker: number; readonly source: string }
  | { readonly kind: "tell"; readonly worker: number; readonly message: unknown }
  | { readonly kind: "end"; readonly worker: number };

/** What the parent tells of it. */
export type RelayNews =
  | { readonly kind: "news"; readonly worker: number; readonly data: unknown }
  | { readonly kind: "failed"; readonly worker: number; readonly reason: string }
  | { readonly kind: "exited"; readonly worker: number };

/** Starts a script in a worker. */
export type SpawnScript = (source: string, handlers: SpawnHandlers) => Spawned;

/**
 * The worker's half: a function that starts workers by asking.
 *
 * @param ask Sends a request to the parent.
 * @returns The function, and what to do with the parent's news.
 */
export function askForWorkers(ask: (request: RelayRequest) => void): {
  spawn: SpawnScript;
  hear(news: RelayNews): void;
} {
  const known: SpawnHandlers[] = [];
  return {
    spawn(source, handlers) {
      const worker = known.push(handlers) - 1;
      ask({ kind: "spawn", worker, source });
      return {
        post: (message) => ask({ kind: "tell", worker, message }),
        terminate: () => ask({ kind: "end", worker }),
        hold() {},
      };
    },
    hear(news) {
      const handlers = known[news.worker];
      if (news.kind === "news") handlers?.message(news.data);
      else if (news.kind === "failed") handlers?.error(news.reason);
      else handlers?.exit();
    },
  };
}

/**
 * The parent's half: starts workers for a worker.
 *
 * @param spawn Starts a worker here.
 * @param tell Sends news to the worker that asked.
 * @returns What to do with its requests, and how to end all that it asked for.
 */
export function keepWorkers(spawn: SpawnScript, tell: (news: RelayNews) => void): {
  hear(request: RelayRequest): void;
  end(): void;
} {
  const workers = new Map<number, Spawned>();
  return {
    hear(request) {
      const { worker } = request;
      if (request.kind === "tell") return workers.get(worker)?.post(request.message);
      if (request.kind === "end") {
        workers.get(worker)?.terminate();
        workers.delete(worker);
        return;
      }
      try {
        workers.set(
          worker,
          spawn(request.source, {
            message: (data) => tell({ kind: "news", worker, data }),
            error: (reason) => tell({ kind: "failed", worker, reason }),
            exit() {
              workers.delete(worker);
              tell({ kind: "exited", worker });
            },
          }),
        );
      } catch (error) {
        tell({ kind: "failed", worker, reason: error instanceof Error ? error.message : String(error) });
      }
    },
    end() {
      for (const worker of workers.values()) worker.terminate();
      workers.clear();
    },
  };
}
