import type { Context, MiddlewareHandler } from "hono";
import { routePath } from "hono/route";
import type { ApiError } from "../api_error.ts";
import type { Lifecycle } from "../lifecycle.ts";
import { beginRequest, type RequestState } from "../request_state.ts";
import type { Service } from "../service.ts";
import { stopping } from "../to_api_error.ts";

/** Ids of requests that are taken from a client; others could break the lines of a log. */
const SANE_ID = /^[\w.:-]{1,128}$/;

const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

/**
 * Gives each request an id, counts it, writes it to the log, and refuses it if the server shuts down.
 *
 * @param service Gets figures and events.
 * @param lifecycle Knows the requests that run.
 * @returns The outermost middleware.
 */
export function observe(service: Service, lifecycle: Lifecycle): MiddlewareHandler {
  return async (c, next): Promise<void> => {
    const given = c.req.header("x-request-id") ?? "";
    const state = beginRequest(c, SANE_ID.test(given) ? given : crypto.randomUUID());
    const leave = lifecycle.enter();
    if (lifecycle.stopping && c.req.path !== "/metrics") {
      c.res = refuse(state, stopping());
    } else {
      await next();
    }
    c.res.headers.set("x-request-id", state.id);
    const end = (): void => {
      state.release?.();
      leave();
      record(service, c, state);
    };
    if (state.sent) state.sent.then(end);
    else end();
  };
}

function record(service: Service, c: Context, state: RequestState): void {
  const { status } = c.res;
  const route = routeOf(c);
  const method = METHODS.has(c.req.method) ? c.req.method : "other";
  const ms = performance.now() - state.start;
  service.metrics.request(route, method, status, ms / 1000);
  service.log({
    time: new Date().toISOString(),
    level: status >= 500 ? "error" : status >= 400 || state.code !== undefined ? "warn" : "info",
    event: "request",
    id: state.id,
    method,
    route,
    status,
    ms: Math.round(ms * 10) / 10,
    waitMs: Math.round(state.waitMs * 10) / 10,
    ...(state.code !== undefined && { code: state.code }),
    ...(state.error !== undefined && { error: state.error }),
    ...(state.caller && { caller: state.caller.slice(0, 8) }),
  });
}

/** The pattern of the route that answered; middlewares and what is not found have none. */
function routeOf(c: Context): string {
  const path = routePath(c, -1);
  return path === "/*" || path === "*" ? "other" : path;
}

/**
 * Turns what a handler threw into an answer, and remembers its code for the log.
 *
 * @param state The request.
 * @param refusal The answer.
 * @returns The answer.
 */
export function refuse(state: RequestState, refusal: ApiError): Response {
  state.code = refusal.code;
  if (refusal.cause instanceof Error) state.error = refusal.cause.name;
  return refusal.toResponse();
}
