import type { MiddlewareHandler } from "hono";

/** What browsers must not do with answers; a page replaces the policy by its own. */
const HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cache-control": "no-store",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
};

/**
 * Adds headers that keep browsers from guessing, framing and storing; those that a route set stay.
 *
 * @returns The middleware.
 */
export function secureHeaders(): MiddlewareHandler {
  return async (c, next): Promise<void> => {
    await next();
    const { headers } = c.res;
    for (const [name, value] of Object.entries(HEADERS)) {
      if (!headers.has(name)) headers.set(name, value);
    }
    if (headers.has("access-control-allow-origin")) {
      headers.set("cross-origin-resource-policy", "cross-origin");
    }
  };
}
