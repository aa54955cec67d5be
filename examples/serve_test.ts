import { readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { readCsv } from "../sdk/csv/mod.ts";
import { assert, assertEquals } from "../sdk/testing/assert.ts";
import { type Started, startExample } from "./_start_test_server.ts";
import { context } from "./data/iris_context.js";

/** A bundled table as the body of a request: rows that are no multiple of 5 to learn, the others to predict. */
async function body(file: string, target: string): Promise<{ text: string; labels: unknown[] }> {
  const { columns, rows } = readCsv(await readFile(new URL(`data/${file}`, import.meta.url)));
  const objects = rows.map((row) => Object.fromEntries(columns.map((name, c) => [name, row[c] ?? null])));
  const test = objects.filter((_, i) => i % 5 === 0);
  const train = objects.filter((_, i) => i % 5 > 0);
  return { text: JSON.stringify({ train, target, rows: test }), labels: test.map((row) => row[target]) };
}

describe("examples/serve.ts", () => {
  let server: Started | undefined;
  let url = "";
  // With the network alone: the weights and the worker's code are modules.
  before(async () => {
    server = await startExample("serve.ts");
    ({ url } = server);
    while ((await fetch(`${url}/health`)).status !== 200) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });
  after(() => server?.stop());

  const post = (text: string): Promise<Response> =>
    fetch(`${url}/v1/tabular/predict`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: text,
    });

  test("the server predicts a real table", async () => {
    const { text, labels } = await body("iris.csv", "species");
    const response = await post(text);
    assertEquals(response.status, 200);
    const { classes, predictions } = await response.json();
    assertEquals([classes, predictions.length], [["setosa", "versicolor", "virginica"], labels.length]);
    for (const { label, probabilities } of predictions) {
      const values: number[] = Object.values(probabilities);
      assert(Math.abs(values.reduce((a, b) => a + b, 0) - 1) < 1e-4);
      assertEquals(probabilities[label], Math.max(...values));
    }
  });

  test("the server answers others while it computes", async () => {
    const { text } = await body("breast_cancer.csv", "diagnosis");
    let done = false;
    const pending = post(text).then((response) => {
      done = true;
      return response.json();
    });
    const waits: number[] = [];
    while (!done) {
      const begin = performance.now();
      assertEquals((await fetch(`${url}/health`)).status, 200);
      waits.push(performance.now() - begin);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const { predictions, timings } = await pending;
    assertEquals(predictions.length, 114);
    const computed = timings.fitMs + timings.predictMs;
    const longest = Math.max(...waits);
    assert(
      longest < Math.max(250, computed / 4),
      `health took ${longest} ms while ${computed} ms were computed`,
    );
  });

  test("the server keeps contexts, and has its page and its description", async () => {
    const headers = { "content-type": "application/octet-stream" };
    const kept = await fetch(`${url}/v1/tabular/contexts`, { method: "POST", headers, body: context });
    assertEquals([kept.status, (await kept.json()).classes], [201, ["setosa", "versicolor", "virginica"]]);
    const csv = "petal length,petal width,sepal length,sepal width\n1.4,0.2,5.1,3.5\n";
    const predicted = await fetch(`${url}${kept.headers.get("location")}/predict`, {
      method: "POST",
      headers: { "content-type": "text/csv", accept: "text/csv" },
      body: csv,
    });
    assertEquals([predicted.status, (await predicted.text()).split("\n")[1]?.split(",")[0]], [200, "setosa"]);
    assert((await (await fetch(`${url}/`)).text()).startsWith("<!doctype html>"));
    const { paths } = await (await fetch(`${url}/openapi.json`)).json();
    assert("/v1/tabular/contexts/{id}/predict" in paths);
  });

  test("the server refuses a bad body in its error shape", async () => {
    const response = await post('{"train": []}');
    assertEquals(response.status, 400);
    assertEquals((await response.json()).error.type, "invalid_request_error");
  });
});
