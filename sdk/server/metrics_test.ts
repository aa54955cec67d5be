import { describe, test } from "node:test";
import { assert, assertEquals, assertStringIncludes } from "../testing/assert.ts";
import { createMetrics } from "./metrics.ts";

describe("createMetrics()", () => {
  test("render() gives requests by route, method and status", () => {
    const metrics = createMetrics();
    for (const status of [200, 200, 404]) metrics.request("/a/:id", "GET", status, 0.02);
    const text = metrics.render();
    assertStringIncludes(text, '\nfiligree_requests_total{route="/a/:id",method="GET",status="200"} 2\n');
    assertStringIncludes(text, '\nfiligree_requests_total{route="/a/:id",method="GET",status="404"} 1\n');
  });

  test("render() gives a cumulative histogram of seconds", () => {
    const metrics = createMetrics();
    for (const seconds of [0.005, 0.03, 0.4, 100]) metrics.request("/a", "GET", 200, seconds);
    const text = metrics.render();
    const counts = [...text.matchAll(/seconds_bucket\{route="\/a",le="([^"]+)"\} (\d+)/g)]
      .map(([, bound, count]) => [bound, Number(count)]);
    assertEquals(counts.slice(0, 4), [["0.005", 1], ["0.01", 1], ["0.025", 1], ["0.05", 2]]);
    assertEquals(counts.slice(-2), [["60", 3], ["+Inf", 4]]);
    assertStringIncludes(text, 'filigree_request_seconds_count{route="/a"} 4\n');
    assertStringIncludes(text, 'filigree_request_seconds_sum{route="/a"} 100.435\n');
  });

  test("render() gives tokens and gauges, each with its help and type", () => {
    const metrics = createMetrics();
    let bytes = 1;
    metrics.tokens("completion", 3);
    metrics.tokens("completion", 4);
    metrics.gauge("own_bytes", "Bytes.", () => bytes);
    metrics.kvBytes(9);
    bytes = 7;
    const text = metrics.render();
    assertStringIncludes(text, 'filigree_tokens_total{kind="completion"} 7\n');
    assertStringIncludes(text, 'filigree_tokens_total{kind="prompt"} 0\n');
    assertStringIncludes(
      text,
      "# HELP filigree_own_bytes Bytes.\n# TYPE filigree_own_bytes gauge\nfiligree_own_bytes 7\n",
    );
    assertStringIncludes(text, "# TYPE filigree_kv_bytes gauge\nfiligree_kv_bytes 9\n");
    const names = new Set(
      [...text.matchAll(/^(filigree_\w+?)(?:_bucket|_sum|_count)?[ {]/gm)].map(([, name]) => name),
    );
    for (const name of names) assert(text.includes(`# TYPE ${name} `), name);
  });
});
