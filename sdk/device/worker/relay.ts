/**
 * Lets a worker's parent do for it what it cannot do well: start workers and load builds of the kernels.
 *
 * Deno delivers the messages of a worker's worker half a second late, some browsers know no such workers, and a worker
 * whose code is text cannot import.
 *
 * @module
 */
import type { Spawned, SpawnHandlers } from "./spawn.ts";

/** What a worker asks its parent to do: with worker number `worker`, or to load a build. */
export type RelayRequest =
  | { readonly kind: "spawn"; readonly worker: number; readonly source: string }
  | { readonly kind: "tell"; readonly worker: number; readonly message: unknown }
  | { readonly kind: "end"; readonly worker: number }
  | { readonly kind: "load"; readonly build: string };

/** What the parent tells of it. */
export type RelayNews =
  | { readonly kind: "news"; readonly worker: number; readonly data: unknown }
  | { readonly kind: "failed"; readonly worker: number; readonly reason: string }
  | { readonly kind: "exited"; readonly worker: number }
  | { readonly kind: "loaded"; readonly build: string; readonly text: string }
  | { readonly kind: "missing"; readonly build: string; readonly reason: string };

/** What a parent does for a worker. */
export interface Helper {
  /** Starts a script in a worker. */
  spawn(source: string, handlers: SpawnHandlers): Spawned;
  /** Gives the base64 text of a build of the kernels. */
  load(build: string): Promise<string>;
}

/**
 * The worker's half.
 *
 * @param ask Sends a request to the parent.
 * @returns The parent's help, and what to do with its news.
 */
export function askParent(
  ask: (request: RelayRequest) => void,
): { helper: Helper; hear(news: RelayNews): void } {
  const known: SpawnHandlers[] = [];
  const loads = new Map<string, PromiseWithResolvers<string>>();
  const helper: Helper = {
    spawn(source, handlers) {
      const worker = known.push(handlers) - 1;
      ask({ kind: "spawn", worker, source });
      return {
        post: (message) => ask({ kind: "tell", worker, message }),
        terminate: () => ask({ kind: "end", worker }),
        hold() {},
      };
    },
    load(build) {
      const load = loads.get(build) ?? Promise.withResolvers<string>();
      loads.set(build, load);
      ask({ kind: "load", build });
      return load.promise;
    },
  };
  const hear = (news: RelayNews): void => {
    switch (news.kind) {
      case "news":
        return known[news.worker]?.message(news.data);
      case "failed":
        return known[news.worker]?.error(news.reason);
      case "exited":
        return known[news.worker]?.exit();
      case "loaded":
        return loads.get(news.build)?.resolve(news.text);
      case "missing":
        return loads.get(news.build)?.reject(new Error(news.reason));
    }
  };
  return { helper, hear };
}

/**
 * The parent's half.
 *
 * @param helper Does the work.
 * @param tell Sends news to the worker that asked.
 * @returns What to do with its requests, and how to end all workers that it asked for.
 */
export function helpWorker(helper: Helper, tell: (news: RelayNews) => void): {
  hear(request: RelayRequest): void;
  end(): void;
} {
  const workers = new Map<number, Spawned>();
  const start = (worker: number, source: string): void => {
    try {
      const spawned = helper.spawn(source, {
        message: (data) => tell({ kind: "news", worker, data }),
        error: (reason) => tell({ kind: "failed", worker, reason }),
        exit() {
          workers.delete(worker);
          tell({ kind: "exited", worker });
        },
      });
      workers.set(worker, spawned);
    } catch (error) {
      tell({ kind: "failed", worker, reason: messageOf(error) });
    }
  };
  const hear = (request: RelayRequest): void => {
    switch (request.kind) {
      case "spawn":
        return start(request.worker, request.source);
      case "tell":
        return workers.get(request.worker)?.post(request.message);
      case "end":
        workers.get(request.worker)?.terminate();
        workers.delete(request.worker);
        return;
      case "load": {
        const { build } = request;
        helper.load(build).then(
          (text) => tell({ kind: "loaded", build, text }),
          (error) => tell({ kind: "missing", build, reason: messageOf(error) }),
        );
      }
    }
  };
  const end = (): void => {
    for (const worker of workers.values()) worker.terminate();
    workers.clear();
  };
  return { hear, end };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
