/**
 * The description of a handler for programs: `createHandler({ openapi })` gives `GET /openapi.json`.
 *
 * @module
 */
import type { Hono } from "hono/tiny";
import { contentOf, openapiPath, operationObject, OPERATIONS } from "./openapi/operations.ts";
import { type Json, ref, SCHEMAS } from "./openapi/schemas.ts";
import type { Routes, Service } from "./service.ts";

/** Serves the OpenAPI document of a handler: of all its routes, whatever it was made with. */
export const openapi: Routes = (app, service): void => {
  let document: Json | undefined;
  service.open.add("/openapi.json");
  app.get("/openapi.json", (c) => c.json(document ??= openapiDocument(app, service)));
};

/**
 * Describes the routes of a handler in OpenAPI 3.1. Routes that are not the server's own are left out.
 *
 * @param app The handler.
 * @param service Knows which paths need no token.
 * @returns The document.
 */
export function openapiDocument(app: Hono, service: Pick<Service, "open">): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const { method, path: pattern } of app.routes) {
    const path = openapiPath(pattern);
    const operation = OPERATIONS[`${method} ${path}`];
    if (operation) {
      (paths[path] ??= {})[method.toLowerCase()] = operationObject(
        path,
        operation,
        service.open.has(pattern),
      );
    }
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Filigree",
      version: "1",
      description:
        "Predicts tables and generates text. Requests are computed one at a time; those that have to wait " +
        "too long are told to come back (503 or 429 with Retry-After).",
    },
    paths,
    // A server without tokens takes requests without one.
    security: [{ token: [] }, {}],
    components: {
      securitySchemes: { token: { type: "http", scheme: "bearer" } },
      schemas: withoutUnused(paths),
      responses: {
        Refusal: {
          description: "Why there is no answer",
          content: contentOf({ "application/json": ref("Error") }),
        },
      },
    },
  };
}

/** The schemas that a document needs, those that they name too. */
function withoutUnused(paths: Json): Record<string, Json> {
  const used = new Set(["Error"]);
  const visit = (part: Json): void => {
    for (const [, name] of JSON.stringify(part).matchAll(/"#\/components\/schemas\/(\w+)"/g)) {
      if (used.has(name as string)) continue;
      used.add(name as string);
      visit(SCHEMAS[name as string] as Json);
    }
  };
  visit(paths);
  return Object.fromEntries(Object.entries(SCHEMAS).filter(([name]) => used.has(name)));
}
