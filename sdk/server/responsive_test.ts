import { describe, test } from "node:test";
import { OrionMSPClassifier } from "../../tabular/mod.ts";
import { openDevice } from "../device/mod.ts";
import { assert, assertEquals } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { listen } from "./_listen_test_server.ts";
import { pause, testStreams } from "./_events_test_routes.ts";
import { waitingClassifier } from "./_waiting_test_classifier.ts";
import { createHandler } from "./create_handler.ts";

/** A table of numbers whose sum decides on the class. */
function table(rows: number, columns: number): string {
  const { uniform } = random(7);
  const row = (): Record<string, number> =>
    Object.fromEntries(Array.from({ length: columns }, (_, i) => [`c${i}`, uniform()]));
  const train = Array.from({ length: rows }, () => {
    const cells = row();
    return { ...cells, label: Object.values(cells).reduce((a, b) => a + b) > columns / 2 ? "high" : "low" };
  });
  return JSON.stringify({ train, target: "label", rows: [row(), row()] });
}

describe("a handler with a model on an off-thread device", () => {
  test("health answers within 50 ms (p99) while predictions run", async () => {
    const device = await openDevice({ offThread: true });
    const classifier = await OrionMSPClassifier.load({ device });
    const app = createHandler({ classifier });
    const server = listen((request) => app.fetch(request));
    const body = table(200, 20);
    const headers = { "content-type": "application/json" };
    try {
      let p99 = Infinity;
      let during = 0;
      // Other programs on the machine disturb single rounds.
      for (let round = 0; round < 4 && p99 > 50; round++) {
        let running = true;
        during = 0;
        const predictions = (async () => {
          while (running) {
            const response = await fetch(`${server.url}/v1/tabular/predict`, {
              method: "POST",
              headers,
              body,
            });
            assertEquals((await response.json()).predictions.length, 2);
            during++;
          }
        })();
        const times: number[] = [];
        for (let i = 0; i < 150; i++) {
          const begin = performance.now();
          const response = await fetch(`${server.url}/health`);
          await response.text();
          times.push(performance.now() - begin);
          assertEquals(response.status, 200);
          await pause(8);
        }
        running = false;
        await predictions;
        times.sort((a, b) => a - b);
        p99 = times[Math.ceil(times.length * 0.99) - 1]!;
      }
      assert(during >= 1);
      assert(p99 <= 50, `p99 of ${p99.toFixed(1)} ms`);
    } finally {
      await server.close();
      classifier.dispose();
      device.dispose();
    }
  });

  test("a quiet stream gets a comment every five seconds", async () => {
    const streams = testStreams(async function* (signal) {
      yield "one";
      await pause(5500, signal);
      yield "two";
    });
    const app = createHandler({ classifier: waitingClassifier().classifier, page: streams.routes });
    const server = listen((request) => app.fetch(request));
    try {
      const text = await (await fetch(`${server.url}/events`, { method: "POST" })).text();
      assertEquals(text, "data: one\n\n: keep-alive\n\ndata: two\n\n");
    } finally {
      await server.close();
    }
  });
});
