import { describe, test } from "node:test";
import { assert, assertEquals } from "../testing/assert.ts";
import { SMALL_REQUEST, waitingClassifier } from "./_waiting_test_classifier.ts";
import { createHandler } from "./create_handler.ts";
import type { HandlerOptions } from "./handler_options.ts";
import { openapi } from "./openapi.ts";
import { openapiPath, OPERATIONS } from "./openapi/operations.ts";
import { page } from "./page/mod.ts";

interface Document {
  openapi: string;
  paths: Record<string, Record<string, OperationObject>>;
  components: { schemas: Record<string, { properties?: Record<string, unknown>; required?: string[] }> };
}

interface OperationObject {
  operationId: string;
  parameters?: { name: string; in: string }[];
  responses: Record<string, { content?: Record<string, { schema: { $ref?: string } }> }>;
  security?: unknown[];
}

const lm = new Promise<never>(() => {});
const { classifier } = waitingClassifier();
const ALL: HandlerOptions = { classifier, lm, page: page(), openapi };

async function read(options: HandlerOptions): Promise<Document> {
  const response = await createHandler(options).request("/openapi.json");
  assertEquals(response.status, 200);
  return await response.json() as Document;
}

const operationsOf = ({ paths }: Document) =>
  Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      key: `${method.toUpperCase()} ${path}`,
      path,
      operation,
    }))
  );

const routesOf = (options: HandlerOptions): string[] => [
  ...new Set(
    createHandler(options).routes.filter(({ method }) => method !== "ALL")
      .map(({ method, path }) => `${method} ${openapiPath(path)}`),
  ),
];

describe("GET /openapi.json", () => {
  test("has every route of a handler with all there is, and no other", async () => {
    const keys = operationsOf(await read(ALL)).map(({ key }) => key);
    assertEquals(keys.toSorted(), routesOf(ALL).toSorted());
    assertEquals(keys.toSorted(), Object.keys(OPERATIONS).toSorted());
  });

  test("has the routes of a handler with less, and no other", async () => {
    for (const options of [{ classifier, openapi }, { lm, openapi }, { lm, page: page(), openapi }]) {
      const keys = operationsOf(await read(options)).map(({ key }) => key);
      assertEquals(keys.toSorted(), routesOf(options).toSorted());
    }
  });

  test("names only schemas that it has, and has none that it does not name", async () => {
    const document = await read(ALL);
    const { schemas } = document.components;
    const named = new Set(
      [...JSON.stringify(document).matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name),
    );
    assertEquals([...named].toSorted(), Object.keys(schemas).toSorted());
    for (const [name, { properties = {}, required = [] }] of Object.entries(schemas)) {
      for (const field of required) assert(field in properties, `${name}.${field}`);
    }
  });

  test("declares the parameters of each path, and gives each operation a name of its own", async () => {
    const operations = operationsOf(await read(ALL));
    assertEquals(new Set(operations.map(({ operation }) => operation.operationId)).size, operations.length);
    for (const { path, operation } of operations) {
      const declared = (operation.parameters ?? []).filter((p) => p.in === "path").map(({ name }) => name);
      assertEquals(declared, [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name));
    }
  });

  test("says which operations need no token, and is one of them", async () => {
    const app = createHandler({ ...ALL, auth: { tokens: ["t"] } });
    const document = await (await app.request("/openapi.json")).json() as Document;
    for (const { key, path, operation } of operationsOf(document)) {
      if (!key.startsWith("GET ") || path.startsWith("/samples/")) continue;
      const { status } = await app.request(path);
      assertEquals(status === 401, operation.security === undefined, key);
    }
  });

  test("describes answers by the fields that they have", async () => {
    const document = await read(ALL);
    const app = createHandler({ classifier, openapi });
    const check = async (key: string, response: Response): Promise<void> => {
      const [method, path] = key.split(" ") as [string, string];
      const { responses } = document.paths[path]![method.toLowerCase()]!;
      const answer = response.ok ? responses[`${response.status}`]! : undefined;
      const name = answer?.content?.["application/json"]?.schema.$ref?.split("/").at(-1) ?? "Error";
      const fields = Object.keys(await response.json());
      assertEquals(fields.toSorted(), document.components.schemas[name]!.required?.toSorted(), key);
    };
    await check("GET /health", await app.request("/health"));
    await check("POST /v1/tabular/predict", await app.request("/v1/tabular/predict", SMALL_REQUEST));
    await check(
      "POST /v1/tabular/predict",
      await app.request("/v1/tabular/predict", { ...SMALL_REQUEST, body: "" }),
    );
    for (const path of ["/v2", "/v2/health/live", "/v2/health/ready", "/v2/models"]) {
      await check(`GET ${path}`, await app.request(path));
    }
    await check("GET /v2/models/{model}", await app.request("/v2/models/orion-msp"));
    await check("GET /v2/models/{model}/ready", await app.request("/v2/models/orion-msp/ready"));
  });
});
