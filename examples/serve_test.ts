import { type ChildProcess, spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import process from "node:process";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { readCsv } from "../sdk/csv/mod.ts";
import { assert, assertEquals } from "../sdk/testing/assert.ts";

const SERVE = fileURLToPath(new URL("serve.ts", import.meta.url));
const RUN = "Bun" in globalThis
  ? ["--port", "0", SERVE]
  : ["serve", "--host", "127.0.0.1", "--port", "0", "--allow-net", SERVE];

/** Starts the example and waits until it says where it listens. */
function start(): Promise<{ server: ChildProcess; url: string }> {
  const server = spawn(process.execPath, RUN, { env: { ...process.env, NO_COLOR: "1" } });
  return new Promise((resolve, reject) => {
    let output = "";
    const read = (text: unknown): void => {
      output += text;
      const port = /https?:\/\/[\w.]+:(\d+)/.exec(output)?.[1];
      if (port !== undefined) resolve({ server, url: `http://127.0.0.1:${port}` });
    };
    server.stdout.on("data", read);
    server.stderr.on("data", read);
    server.on("error", reject);
    server.on("exit", (code) => reject(new Error(`The server ended with ${code}:\n${output}`)));
  });
}

/** A bundled table as the body of a request: rows that are no multiple of 5 to learn, the others to predict. */
async function body(file: string, target: string): Promise<{ text: string; labels: unknown[] }> {
  const { columns, rows } = readCsv(await readFile(new URL(`data/${file}`, import.meta.url)));
  const objects = rows.map((row) => Object.fromEntries(columns.map((name, c) => [name, row[c] ?? null])));
  const test = objects.filter((_, i) => i % 5 === 0);
  const train = objects.filter((_, i) => i % 5 > 0);
  return { text: JSON.stringify({ train, target, rows: test }), labels: test.map((row) => row[target]) };
}

describe("examples/serve.ts", () => {
  let server: ChildProcess | undefined;
  let url = "";
  before(async () => {
    ({ server, url } = await start());
  });
  after(async () => {
    const ended = new Promise((resolve) => server?.on("exit", resolve) ?? resolve(0));
    server?.kill("SIGKILL");
    await ended;
  });

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

  test("the server refuses a bad body in its error shape", async () => {
    const response = await post('{"train": []}');
    assertEquals(response.status, 400);
    assertEquals((await response.json()).error.type, "invalid_request_error");
  });
});
