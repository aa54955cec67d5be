import type { MiddlewareHandler } from "hono";

/**
 * Lets pages of other origins ask, and answers what browsers ask before.
 *
 * @param origins Which, such as `https://example.com`; `*` is all.
 * @returns The middleware.
 * @throws {RangeError} If one is not an origin.
 */
export function origins(origins: readonly string[]): MiddlewareHandler {
  for (const origin of origins) {
    if (origin === "*" || URL.parse(origin)?.origin === origin) continue;
    throw new RangeError(
      `Cannot create the handler: cors has "${origin}", expected "*" or an origin like "https://example.com"`,
    );
  }
  const all = origins.includes("*");
  return async (c, next): Promise<void> => {
    const origin = c.req.header("origin");
    const asks = c.req.method === "OPTIONS" && c.req.header("access-control-request-method") !== undefined;
    if (asks) c.res = new Response(null, { status: 204 });
    else await next();
    const { headers } = c.res;
    if (!all) headers.append("vary", "origin");
    if (origin === undefined || !(all || origins.includes(origin))) return;
    const set = (name: string, value: string): void => headers.set(`access-control-${name}`, value);
    set("allow-origin", all ? "*" : origin);
    if (!asks) return set("expose-headers", "x-request-id, retry-after");
    set("allow-methods", "GET, HEAD, POST, PUT, DELETE");
    set("allow-headers", c.req.header("access-control-request-headers") ?? "");
    set("max-age", "600");
  };
}
