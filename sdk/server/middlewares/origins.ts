import type { MiddlewareHandler } from "hono";
import { cors } from "hono/cors";

/**
 * Lets pages of other origins ask.
 *
 * @param origins Which, such as `https://example.com`; `*` is all.
 * @returns The middleware.
 * @throws {RangeError} If one is not an origin.
 */
export function origins(origins: readonly string[]): MiddlewareHandler {
  for (const origin of origins) {
    if (origin === "*" || URL.parse(origin)?.origin === origin) continue;
    throw new RangeError(
      `Cannot create the handler: cors has ${
        JSON.stringify(origin)
      }, expected "*" or an origin like "https://example.com"`,
    );
  }
  return cors({
    origin: origins.includes("*") ? "*" : [...origins],
    allowMethods: ["GET", "HEAD", "POST", "PUT", "DELETE"],
    exposeHeaders: ["x-request-id", "retry-after"],
    maxAge: 600,
  });
}
