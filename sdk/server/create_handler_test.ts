import { describe, test } from "node:test";
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertStringIncludes,
  assertThrows,
} from "../testing/assert.ts";
import { waitingClassifier } from "./_waiting_test_classifier.ts";
import type { ErrorBody } from "./api_error.ts";
import { createHandler } from "./create_handler.ts";
import type { PredictResponse } from "./routes/tabular.ts";

const TRAIN = [{ a: 1, b: "x", label: "yes" }, { a: 2, b: null, label: "no" }, { b: "y", label: "yes" }];
const GOOD = { train: TRAIN, target: "label", rows: [{ a: 2, b: null }, { a: 3 }] };

const post = (body: unknown, init: RequestInit = {}): Request =>
  new Request("http://localhost/v1/tabular/predict", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: typeof body === "string" ? body : JSON.stringify(body),
    ...init,
  });

async function refusal(response: Response, status: number): Promise<ErrorBody["error"]> {
  const { error } = await response.json() as ErrorBody;
  assertEquals(response.status, status);
  assertEquals(Object.keys(error), ["message", "type", "param", "code"]);
  assertEquals(error.type, status < 500 ? "invalid_request_error" : "server_error");
  return error;
}

describe("POST /v1/tabular/predict", () => {
  test("predict answers with classes, labels, probabilities, model and timings", async () => {
    const { classifier } = waitingClassifier();
    const response = await createHandler({ classifier, model: "m" }).request(post(GOOD));
    assertEquals(response.status, 200);
    const body = await response.json() as PredictResponse;
    assertEquals(Object.keys(body).sort(), ["classes", "model", "predictions", "timings"]);
    assertEquals([body.classes, body.model, body.predictions.length], [["no", "yes"], "m", 2]);
    assertEquals(body.predictions[0]?.label, "yes");
    assertAlmostEquals(body.predictions[0]?.probabilities["yes"] ?? NaN, 2 / 3, 1e-12);
    assert(Object.values(body.timings).every((ms) => ms >= 0));
  });

  test("predict learns columns without the target and reads absent keys as missing", async () => {
    const self = waitingClassifier();
    await createHandler(self).request(post(GOOD));
    assertEquals(self.fits, [{ x: { a: [1, 2, null], b: ["x", null, "y"] }, y: ["yes", "no", "yes"] }]);
    assertEquals(self.live, 0);
  });

  test("predict keeps numbers and booleans as labels", async () => {
    const train = [{ a: 1, label: true }, { a: 2, label: true }];
    const response = await createHandler(waitingClassifier()).request(
      post({ train, target: "label", rows: [{ a: 1 }] }),
    );
    const { classes, predictions } = await response.json() as PredictResponse;
    assertEquals([classes, predictions[0]?.label], [["true"], true]);
  });

  test("predict treats names like __proto__ as plain columns", async () => {
    const self = waitingClassifier();
    const body =
      '{"train":[{"__proto__":1,"constructor":2,"label":"x"}],"target":"label","rows":[{"__proto__":3}]}';
    assertEquals((await createHandler(self).request(post(body))).status, 200);
    assertEquals(Object.entries(self.fits[0]?.x ?? {}), [["__proto__", [1]], ["constructor", [2]]]);
  });

  const bad: [name: string, body: unknown, status: number, code: string, param: string | null][] = [
    ["the body is not JSON", "{", 400, "invalid_json", null],
    ["the body is nested very deeply", "[".repeat(200_000), 400, "invalid_json", null],
    ["the body is a list", [], 400, "invalid_body", "train"],
    ["train is missing", { target: "label", rows: [{}] }, 400, "invalid_body", "train"],
    ["train is empty", { ...GOOD, train: [] }, 400, "invalid_body", "train"],
    ["rows is empty", { ...GOOD, rows: [] }, 400, "invalid_body", "rows"],
    ["a row is a list", { ...GOOD, rows: [{ a: 1 }, [1]] }, 400, "invalid_body", "rows[1]"],
    ["the target is a number", { ...GOOD, target: 1 }, 400, "invalid_body", "target"],
    ["there is an unknown field", { ...GOOD, seed: 1 }, 400, "invalid_body", "seed"],
    ["a cell is an object", { ...GOOD, rows: [{ a: {} }] }, 400, "invalid_cell", "rows[0]"],
    [
      "a train cell is a list",
      { ...GOOD, train: [...TRAIN, { a: [], label: "x" }] },
      400,
      "invalid_cell",
      "train[3]",
    ],
    ["no row has the target", { ...GOOD, target: "nope" }, 422, "unknown_target", "target"],
    ["a row lacks the target", { ...GOOD, train: [...TRAIN, { a: 1 }] }, 422, "missing_target", "train[3]"],
    ["the target is null", { ...GOOD, train: [{ a: 1, label: null }] }, 422, "missing_target", "train[0]"],
    ["there are no features", { ...GOOD, train: [{ label: "x" }] }, 422, "no_features", "train"],
    ["rows has a column that train lacks", { ...GOOD, rows: [{ z: 1 }] }, 422, "unknown_column", "rows[0]"],
    ["train has too many rows", { ...GOOD, train: Array(11).fill(TRAIN[0]) }, 413, "too_many_rows", "train"],
    ["rows has too many rows", { ...GOOD, rows: Array(11).fill({ a: 1 }) }, 413, "too_many_rows", "rows"],
    [
      "there are too many columns",
      { ...GOOD, train: [{ a: 1, b: 1, c: 1, d: 1, label: "x" }] },
      413,
      "too_many_columns",
      "train",
    ],
    [
      "there are too many classes",
      { ...GOOD, train: [1, 2, 3, 4].map((label) => ({ a: 1, label })) },
      413,
      "too_many_classes",
      "target",
    ],
    ["the body is too long", `"${"x".repeat(300_000)}"`, 413, "request_too_large", null],
  ];
  const limits = { trainRows: 10, rows: 10, columns: 3, classes: 3, bodyBytes: 250_000 };
  for (const [name, body, status, code, param] of bad) {
    test(`predict answers ${status} when ${name}`, async () => {
      const self = waitingClassifier();
      const error = await refusal(await createHandler({ ...self, limits }).request(post(body)), status);
      assertEquals([error.code, error.param], [code, param]);
      assert(error.message.length > 0 && error.message.length < 300);
      assertEquals(self.fits, []);
    });
  }

  test("predict answers 413 when a body without a length grows too long", async () => {
    let pulled = 0;
    const body = new ReadableStream({
      pull(controller): void {
        pulled++;
        controller.enqueue(new Uint8Array(100_000).fill(32));
      },
    });
    const request = post("", { body, duplex: "half" } as RequestInit);
    await refusal(await createHandler({ ...waitingClassifier(), limits }).request(request), 413);
    assert(pulled < 20, `read ${pulled} chunks`);
  });

  test("predict answers 400 when the body is not UTF-8", async () => {
    const request = post("", { body: Uint8Array.of(0x22, 0xff, 0x22) });
    assertEquals(
      (await refusal(await createHandler(waitingClassifier()).request(request), 400)).code,
      "invalid_json",
    );
  });

  test("predict answers 415 when the content is not JSON", async () => {
    const app = createHandler(waitingClassifier());
    for (const type of ["text/plain", "application/jsonl", ""]) {
      await refusal(await app.request(post(GOOD, { headers: { "content-type": type } })), 415);
    }
    const gzip = { "content-type": "application/json", "content-encoding": "gzip" };
    await refusal(await app.request(post(GOOD, { headers: gzip })), 415);
    const response = await app.request(
      post(GOOD, { headers: { "content-type": "application/json; charset=utf-8" } }),
    );
    assertEquals(response.status, 200);
  });

  test("predict answers 422 with the reason when the classifier refuses the table", async () => {
    const self = waitingClassifier(() => Promise.reject(new RangeError("Cannot fit: column 1 is infinite")));
    const error = await refusal(await createHandler(self).request(post(GOOD)), 422);
    assertEquals([error.code, error.message], ["invalid_table", "Cannot fit: column 1 is infinite"]);
    assertEquals(self.live, 0);
  });

  test("predict answers 500 without details when the classifier fails", async () => {
    const failure = new TypeError("undefined is not a function");
    const seen: unknown[] = [];
    const self = waitingClassifier(() => Promise.reject(failure));
    const app = createHandler({ ...self, onError: (error) => seen.push(error) });
    const error = await refusal(await app.request(post(GOOD)), 500);
    assertEquals([error.code, error.message.includes("undefined")], ["internal_error", false]);
    assertEquals(seen, [failure]);
    assertEquals(self.live, 0);
  });

  test("predict stops and frees the context when the client goes away", async () => {
    const self = waitingClassifier(() => new Promise(() => {}));
    const controller = new AbortController();
    const pending = createHandler(self).request(post(GOOD, { signal: controller.signal }));
    while (self.fits.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    controller.abort();
    assertEquals((await refusal(await pending, 499)).code, "aborted");
    assertEquals(self.live, 0);
  });

  test("predict answers 503 when it takes too long", async () => {
    const self = waitingClassifier(() => new Promise(() => {}));
    const response = await createHandler({ ...self, limits: { timeoutMs: 20 } }).request(post(GOOD));
    assertEquals((await refusal(response, 503)).code, "timeout");
    assertEquals(self.live, 0);
  });

  test("predict computes requests one at a time and turns away those beyond the queue", async () => {
    const gates: (() => void)[] = [];
    const self = waitingClassifier(() => new Promise<void>((resolve) => gates.push(resolve)));
    const app = createHandler({ ...self, limits: { waiting: 1 } });
    const first = app.request(post(GOOD));
    const second = app.request(post(GOOD));
    const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));
    await settle();
    assertEquals(self.fits.length, 1);
    const error = await refusal(await app.request(post(GOOD)), 503);
    assertEquals(error.code, "overloaded");
    gates[0]?.();
    assertEquals((await first).status, 200);
    await settle();
    assertEquals(self.fits.length, 2);
    gates[1]?.();
    assertEquals((await second).status, 200);
  });
});

describe("other paths", () => {
  test("health answers with the model and the device", async () => {
    const response = await createHandler(waitingClassifier()).request("/health");
    assertEquals([response.status, await response.json()], [200, {
      status: "ok",
      model: "orion-msp",
      device: "fake",
    }]);
  });

  test("an unknown path answers 404", async () => {
    const error = await refusal(await createHandler(waitingClassifier()).request("/v1/nope"), 404);
    assertStringIncludes(error.message, "/v1/nope");
  });

  test("a wrong method answers 405 with the methods allowed", async () => {
    const app = createHandler(waitingClassifier());
    const get = await app.request("/v1/tabular/predict");
    assertEquals(get.headers.get("allow"), "POST, OPTIONS");
    await refusal(get, 405);
    await refusal(await app.request("/health", { method: "DELETE" }), 405);
    assertEquals((await app.request("/health", { method: "HEAD" })).status, 200);
  });

  test("createHandler() refuses limits that make no sense", () => {
    assertThrows(() => createHandler({ ...waitingClassifier(), limits: { rows: -1 } }), RangeError);
    assertThrows(() => createHandler({ ...waitingClassifier(), limits: { rows: NaN } }), RangeError);
  });
});
