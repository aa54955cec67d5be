import type { Context } from "hono";
import { ApiError } from "./api_error.ts";
import { type Deadline, deadline } from "./deadline.ts";
import { eventStream } from "./event_stream.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { Limits } from "./limits.ts";
import type { Queue } from "./queue.ts";
import { readBytes } from "./read_bytes.ts";
import { checkJsonType, parseJson } from "./read_json.ts";
import { stateOf } from "./request_state.ts";
import type { Service } from "./service.ts";
import { clientClosed, isOwnFault, stopping, toApiError } from "./to_api_error.ts";

/** Milliseconds without an event after which a comment is sent. */
const KEEP_ALIVE_MS = 5000;

/** What a service is made of. */
export interface ServiceParts extends Pick<Service, "limits" | "model" | "metrics" | "log" | "onError"> {
  /** Gives turns. */
  readonly queue: Queue;
  /** Ends requests when the server shuts down. */
  readonly lifecycle: Lifecycle;
  /** Gets the outcome of every computation: `undefined`, or the refusal. */
  computed(refusal?: ApiError): void;
}

/**
 * Makes a service.
 *
 * @param parts What it is made of.
 * @returns The service.
 */
export function createService(parts: ServiceParts): Service {
  const { limits, queue, lifecycle, computed } = parts;
  const callers = createPlaces(limits.perToken);
  const memory = { held: 0 };
  parts.metrics.gauge("body_bytes", "Bytes of bodies that are held.", () => memory.held);

  /** What is left of the request's time. */
  const begin = (c: Context, most = Infinity): Deadline => {
    const left = stateOf(c).start + limits.timeoutMs - performance.now();
    return deadline([c.req.raw.signal, lifecycle.forced], Math.max(0, Math.min(left, most)));
  };
  /** Why a request under a deadline failed. */
  const explain = (error: unknown, limit: Deadline, code?: string): ApiError => {
    if (error instanceof ApiError) return error;
    if (limit.timedOut) return timeout(limits, error);
    if (lifecycle.forced.aborted) return stopping(error);
    return limit.signal.aborted ? clientClosed(error) : toApiError(error, code);
  };

  return {
    ...parts,
    open: new Set(),
    requestId: (c): string => stateOf(c).id,
    caller: (c): string => stateOf(c).caller,

    async compute(c, work, code): Promise<Awaited<ReturnType<typeof work>>> {
      const state = stateOf(c);
      const leave = callers.enter(state.caller);
      const limit = begin(c);
      const asked = performance.now();
      try {
        const result = await queue.run(() => {
          const waited = performance.now() - asked;
          state.waitMs += waited;
          return work(limit.signal, waited);
        }, limit.signal);
        computed();
        return result;
      } catch (error) {
        const refusal = explain(error, limit, code);
        computed(refusal);
        throw refusal;
      } finally {
        leave();
        limit.release();
      }
    },

    async events(c, produce, code): Promise<Response> {
      const state = stateOf(c);
      const leave = callers.enter(state.caller);
      const limit = begin(c);
      const asked = performance.now();
      const turn = Promise.withResolvers<void>();
      const sent = Promise.withResolvers<void>();
      const refuse = (error: unknown): ApiError => {
        const refusal = explain(error, limit, code);
        state.code = refusal.code;
        computed(refusal);
        return refusal;
      };
      const end = (): void => {
        leave();
        limit.release();
        sent.resolve();
      };
      queue.run(() => {
        turn.resolve();
        return sent.promise;
      }, limit.signal).catch(turn.reject);
      try {
        await turn.promise;
        state.waitMs += performance.now() - asked;
        const body = await eventStream(produce(limit.signal, state.waitMs), {
          signal: limit.signal,
          keepAliveMs: KEEP_ALIVE_MS,
          stallMs: limits.stallMs,
          cancel: limit.cancel,
          explain(error): string {
            const refusal = refuse(error);
            if (isOwnFault(refusal)) parts.onError(error);
            return JSON.stringify(refusal.toBody());
          },
          end(failed): void {
            if (!failed) computed();
            end();
          },
        });
        state.sent = sent.promise;
        // Proxies would collect the events.
        const headers = { "content-type": "text/event-stream; charset=utf-8", "x-accel-buffering": "no" };
        return new Response(body, { headers });
      } catch (error) {
        end();
        throw refuse(error);
      }
    },

    async readBytes(c, maxBytes = limits.bodyBytes): Promise<Uint8Array<ArrayBuffer>> {
      const state = stateOf(c);
      const limit = begin(c, limits.bodyMs);
      const take = (bytes: number): void => {
        if (memory.held > state.bodyBytes && memory.held + bytes > limits.heldBytes) throw busy();
        if (state.bodyBytes === 0) state.release = () => memory.held -= state.bodyBytes;
        state.bodyBytes += bytes;
        memory.held += bytes;
      };
      try {
        return await readBytes(c.req.raw, { maxBytes, signal: limit.signal, take });
      } catch (error) {
        if (limit.timedOut) throw slowBody(limits, error);
        throw lifecycle.forced.aborted || error instanceof ApiError
          ? explain(error, limit)
          // Reading fails with an engine's own error when the client goes away.
          : clientClosed(error);
      } finally {
        limit.release();
      }
    },

    async readJson(c): Promise<unknown> {
      checkJsonType(c.req.raw.headers);
      return parseJson(await this.readBytes(c));
    },
  };
}

/** Counts what each caller has under way. */
function createPlaces(most: number): { enter(caller: string): () => void } {
  const counts = new Map<string, number>();
  return {
    enter(caller): () => void {
      if (caller === "") return (): void => {};
      const count = counts.get(caller) ?? 0;
      if (count >= most) {
        throw new ApiError(429, "rate_limit_exceeded", `At most ${most} requests of one token run at once`, {
          headers: { "retry-after": "1" },
        });
      }
      counts.set(caller, count + 1);
      let inside = true;
      return (): void => {
        if (!inside) return;
        inside = false;
        const left = (counts.get(caller) ?? 1) - 1;
        if (left > 0) counts.set(caller, left);
        else counts.delete(caller);
      };
    },
  };
}

function timeout(limits: Limits, cause: unknown): ApiError {
  return new ApiError(503, "timeout", `The answer took longer than ${limits.timeoutMs} ms; ask for less`, {
    cause,
    headers: { "retry-after": "5" },
  });
}

function slowBody(limits: Limits, cause: unknown): ApiError {
  const ms = Math.min(limits.bodyMs, limits.timeoutMs);
  return new ApiError(408, "request_timeout", `The body did not come within ${ms} ms`, {
    cause,
    headers: { connection: "close" },
  });
}

function busy(): ApiError {
  return new ApiError(503, "overloaded", "Too many bodies come at once; try again soon", {
    headers: { "retry-after": "1" },
  });
}
