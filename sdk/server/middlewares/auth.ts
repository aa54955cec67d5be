import type { MiddlewareHandler } from "hono";
import { ApiError } from "../api_error.ts";
import { stateOf } from "../request_state.ts";
import type { Service } from "../service.ts";

/**
 * Refuses requests without one of some tokens, except to paths that are open.
 *
 * Digests are compared, all of them and each to its end, so that time tells nothing of a token.
 *
 * @param tokens The tokens.
 * @param service Knows the open paths.
 * @returns The middleware.
 * @throws {RangeError} If there is no token, or one that a header cannot carry.
 */
export function auth(tokens: readonly string[], service: Service): MiddlewareHandler {
  if (tokens.length === 0 || !tokens.every((token) => /^[\x21-\x7e]+$/.test(token))) {
    throw new RangeError(
      "Cannot create the handler: auth needs at least one token, each of visible ASCII characters without spaces",
    );
  }
  const known = Promise.all(tokens.map(digest));
  return async (c, next): Promise<void> => {
    if (service.open.has(c.req.path)) return await next();
    const given = /^bearer +([\x21-\x7e]+) *$/i.exec(c.req.header("authorization") ?? "")?.[1] ?? "";
    const asked = await digest(given);
    let found = 0;
    for (const one of await known) found |= Number(isSame(one, asked));
    if (!found) {
      throw new ApiError(
        401,
        "invalid_api_key",
        given ? "This token is not known" : "Send a token: Authorization: Bearer TOKEN",
        { headers: { "www-authenticate": "Bearer" } },
      );
    }
    stateOf(c).caller = [...asked.subarray(0, 16)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    await next();
  };
}

async function digest(token: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(token)));
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  let difference = 0;
  a.forEach((byte, i) => difference |= byte ^ (b[i] as number));
  return difference === 0;
}
