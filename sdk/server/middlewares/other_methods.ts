import type { NotFoundHandler } from "hono";
import type { Hono } from "hono/tiny";
import { ApiError } from "../api_error.ts";
import { stateOf } from "../request_state.ts";
import { refuse } from "./observe.ts";

/**
 * Answers what no route does: 405 with the methods of a path that has some, 204 to a question for them, 404 otherwise.
 *
 * @param app The application.
 * @returns The handler.
 */
export function otherMethods(app: Hono): NotFoundHandler {
  return (c): Response => {
    const methods = new Set(app.routes.map(({ method }) => method));
    const allowed = [...methods].filter((method) =>
      method !== "ALL" &&
      app.router.match(method, c.req.path)[0].some(([[, route]]) => route.method === method)
    );
    if (allowed.includes("GET")) allowed.push("HEAD");
    if (allowed.length === 0) {
      const message = `There is nothing at ${c.req.path.slice(0, 80)}`;
      return refuse(stateOf(c), new ApiError(404, "not_found", message));
    }
    const allow = [...allowed, "OPTIONS"].join(", ");
    if (c.req.method === "OPTIONS") return new Response(null, { status: 204, headers: { allow } });
    const message = `This path answers ${allow} only`;
    return refuse(stateOf(c), new ApiError(405, "method_not_allowed", message, { headers: { allow } }));
  };
}
