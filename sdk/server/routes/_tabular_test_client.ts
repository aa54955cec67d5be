import { assertEquals } from "../../testing/assert.ts";
import { type FakeClassifier, fakeClassifier } from "../_fake_test_classifier.ts";
import { listen } from "../_listen_test_server.ts";
import type { ErrorBody } from "../api_error.ts";
import { createHandler } from "../create_handler.ts";
import { csvBodies } from "../csv.ts";
import type { HandlerOptions } from "../handler_options.ts";

/** A table that is easy to learn: "a" says the class. */
export const TRAIN = [
  { a: 1, b: "x", c: true, kind: "small" },
  { a: 1, b: "y", c: null, kind: "small" },
  { a: 2, b: null, c: false, kind: "big" },
];

/** The same as CSV. */
export const TRAIN_CSV = "a,b,c,kind\n1,x,true,small\n1,y,,small\n2,,false,big\n";

/** A client of a real server. */
export interface Client {
  /** The model behind it. */
  classifier: FakeClassifier;
  /** What was told to `onError`. */
  errors: unknown[];
  /** Sends a request: an object as JSON, a text as CSV, bytes as a file. */
  send(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Response>;
  /** Learns a table; gives its id. */
  learn(body?: unknown, headers?: Record<string, string>): Promise<string>;
}

/**
 * Runs a test against a handler behind the runtime's own server.
 *
 * @param options Of the handler, beside a fake classifier and CSV.
 * @param run The test.
 */
export async function withServer(
  options: Partial<HandlerOptions> & { classifier?: FakeClassifier },
  run: (client: Client) => Promise<void>,
): Promise<void> {
  const classifier = options.classifier ?? fakeClassifier();
  const errors: unknown[] = [];
  const app = createHandler({
    csv: csvBodies,
    onError: (error) => errors.push(error),
    ...options,
    classifier,
  });
  const server = listen((request) => app.fetch(request));
  const client: Client = {
    classifier,
    errors,
    send: (method, path, body, headers = {}) =>
      fetch(`${server.url}${path}`, {
        method,
        ...(body !== undefined && { body: isRaw(body) ? body : JSON.stringify(body) }),
        headers: { "content-type": typeOf(body), ...headers },
      }),
    async learn(body = { train: TRAIN, target: "kind" }, headers = {}) {
      const response = await client.send("POST", "/v1/tabular/contexts", body, headers);
      assertEquals(response.status, 201);
      return (await response.json() as { id: string }).id;
    },
  };
  try {
    await run(client);
  } finally {
    await server.close();
  }
}

/**
 * Checks a refusal.
 *
 * @param response The answer.
 * @param status Its status.
 * @param code Its code.
 * @returns Its message, and the name of what is wrong.
 */
export async function refused(response: Response, status: number, code: string): Promise<ErrorBody["error"]> {
  const { error } = await response.json() as ErrorBody;
  assertEquals([response.status, error.code], [status, code]);
  assertEquals(Object.keys(error), ["message", "type", "param", "code"]);
  return error;
}

function isRaw(body: unknown): body is string | Uint8Array<ArrayBuffer> {
  return typeof body === "string" || body instanceof Uint8Array;
}

function typeOf(body: unknown): string {
  if (typeof body === "string") return "text/csv";
  return body instanceof Uint8Array ? "application/octet-stream" : "application/json";
}
