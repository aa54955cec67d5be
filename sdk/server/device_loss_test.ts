import { describe, test } from "node:test";
import { fakeKernels } from "../../wasm/_fake_kernels.ts";
import { type Device, fill, openDevice } from "../device/mod.ts";
import { assert, assertEquals } from "../testing/assert.ts";
import { listen } from "./_listen_test_server.ts";
import { eventually } from "./_raw_test_client.ts";
import { SMALL_REQUEST, waitingClassifier } from "./_waiting_test_classifier.ts";
import { createHandler } from "./create_handler.ts";
import type { HandlerOptions } from "./handler_options.ts";
import type { LogEvent } from "./log.ts";
import type { ServedClassifier } from "./served_classifier.ts";

const PATH = "/v1/tabular/predict";

/** A classifier whose `fit` computes on a device. */
function on(device: Device): ServedClassifier {
  const self = waitingClassifier(async () => {
    const x = device.empty([4]);
    try {
      fill(device, x, 1);
      await x.read();
    } finally {
      x.dispose();
    }
  });
  return { device, fork: self.classifier.fork };
}

/** A device whose worker traps at the first operation. */
const dying = () => openDevice({ wasm: fakeKernels({ run: "trap" }), offThread: true, recover: false });

async function withServer(options: HandlerOptions, run: (url: string) => Promise<void>): Promise<void> {
  const app = createHandler(options);
  const server = listen((request) => app.fetch(request));
  try {
    await run(server.url);
  } finally {
    await server.close();
  }
}

const ask = async (url: string): Promise<[number, string]> => {
  const response = await fetch(url + PATH, SMALL_REQUEST);
  const { error } = await response.json();
  return [response.status, error?.code ?? "ok"];
};

const health = async (url: string): Promise<[number, string]> => {
  const response = await fetch(`${url}/health`);
  const body = await response.json();
  return [response.status, body.error?.code ?? body.status];
};

describe("a worker that dies in the middle", () => {
  test("fails the request with a typed 500, and the next is answered by a model that was loaded again", async () => {
    const devices: Device[] = [];
    const log: LogEvent[] = [];
    const errors: unknown[] = [];
    const load = async (): Promise<ServedClassifier> => {
      const device = devices.length === 0
        ? await dying()
        : await openDevice({ prefer: "wasm", offThread: true });
      devices.push(device);
      return on(device);
    };
    const options = {
      classifier: load,
      log: (event: LogEvent) => log.push(event),
      onError: (e: unknown) => errors.push(e),
    };
    await withServer(options, async (url) => {
      await eventually(() => devices.length === 1);
      assertEquals(await health(url), [200, "ok"]);
      log.length = 0;
      assertEquals(await ask(url), [500, "device_lost"]);
      assertEquals([log[0]?.code, log[0]?.error, log[0]?.level], ["device_lost", "DeviceLostError", "error"]);
      assert(errors.length === 1 && (errors[0] as Error).name === "DeviceLostError");
      await eventually(() => devices.length === 2);
      assertEquals(await ask(url), [200, "ok"]);
      assertEquals(await health(url), [200, "ok"]);
    });
    for (const device of devices) device.dispose();
  });

  test("shows in the health of a server that cannot load its model again", async () => {
    const device = await dying();
    await withServer({ classifier: on(device) }, async (url) => {
      assertEquals(await ask(url), [500, "device_lost"]);
      assertEquals(await health(url), [503, "device_lost"]);
      assertEquals(await ask(url), [500, "device_lost"]);
    });
    device.dispose();
  });

  test("does not harm a model that finds another device by itself", async () => {
    let lost = true;
    const self = waitingClassifier(() => {
      const error = Object.assign(new Error("gone"), { name: "DeviceLostError" });
      return lost ? Promise.reject(error) : Promise.resolve();
    });
    await withServer({ classifier: self.classifier }, async (url) => {
      assertEquals(await ask(url), [500, "device_lost"]);
      lost = false;
      assertEquals(await ask(url), [200, "ok"]);
      assertEquals([await health(url), self.live], [[200, "ok"], 0]);
    });
  });
});

describe("health and figures", () => {
  test("health is 503 while the model loads, and so are predictions", async () => {
    const loading = Promise.withResolvers<ServedClassifier>();
    await withServer({ classifier: loading.promise }, async (url) => {
      assertEquals(await health(url), [503, "loading"]);
      assertEquals(await ask(url), [503, "loading"]);
      loading.resolve(waitingClassifier().classifier);
      await loading.promise;
      assertEquals(await health(url), [200, "ok"]);
      assertEquals(await ask(url), [200, "ok"]);
    });
  });

  test("health is 503 when the model could not be loaded", async () => {
    const classifier = Promise.reject(new Error("no such file"));
    await withServer({ classifier }, async (url) => assertEquals(await health(url), [503, "load_failed"]));
  });

  test("figures count answers, places and bytes", async () => {
    const gate = Promise.withResolvers<void>();
    const self = waitingClassifier(() => gate.promise);
    await withServer({ classifier: self.classifier }, async (url) => {
      const pending = [ask(url), ask(url), ask(url)];
      const figures = async (): Promise<string> => {
        const response = await fetch(`${url}/metrics`);
        assert(response.headers.get("content-type")?.startsWith("text/plain; version=0.0.4"));
        return await response.text();
      };
      for (let i = 0; !/^filigree_queue_waiting 2$/m.test(await figures()); i++) assert(i < 1000);
      assert(/^filigree_requests_active 4$/m.test(await figures()));
      assert(/^filigree_device_bytes 1234$/m.test(await figures()));
      gate.resolve();
      await Promise.all(pending);
      await ask(`${url}/nope`);
      const text = await figures();
      assert(text.includes(`filigree_requests_total{route="${PATH}",method="POST",status="200"} 3\n`), text);
      assert(text.includes('{route="other",method="POST",status="404"} 1\n'), text);
      assert(text.includes(`filigree_request_seconds_count{route="${PATH}"} 3\n`), text);
      assert(!text.includes("nope"));
    });
  });
});
