import { readdirSync, readFileSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { assert, assertEquals } from "../sdk/testing/assert.ts";
import { startExample } from "./_start_test_server.ts";
import { bundleEdge } from "./edge_build.ts";

/** The runtime of Cloudflare's workers: undefined, and a reason, where its program cannot be installed or run. */
interface Workerd {
  readonly start?: (modules: object[]) => Promise<{ url: URL; dispose(): Promise<void> }>;
  readonly skip?: string;
}

async function openWorkerd(): Promise<Workerd> {
  const start: Workerd["start"] = async (modules) => {
    const { Miniflare } = await import("miniflare");
    const runtime = new Miniflare({
      modules: modules as never,
      compatibilityDate: "2026-07-01",
      cf: false,
    });
    return { url: await runtime.ready, dispose: () => runtime.dispose() };
  };
  try {
    const trial = await start([{ type: "ESModule", path: "worker.js", contents: "export default {};" }]);
    await trial.dispose();
    return { start };
  } catch (error) {
    return {
      skip: `workerd does not run here: ${error instanceof Error ? error.message.slice(0, 100) : error}`,
    };
  }
}

const { start, skip } = await openWorkerd();

const TYPES: Readonly<Record<string, string>> = { js: "ESModule", wasm: "CompiledWasm", bin: "Data" };

/** The most memory that a child of this process named `workerd` has had, in bytes; undefined where nobody tells. */
function mostMemory(): number | undefined {
  const fields = (pid: string): string => {
    try {
      return readFileSync(`/proc/${pid}/status`, "utf8");
    } catch {
      return "";
    }
  };
  if (process.platform !== "linux") return undefined;
  const own = readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(fields)
    .filter((text) =>
      /^Name:\s+workerd/m.test(text) && Number(/^PPid:\s+(\d+)/m.exec(text)?.[1]) === process.pid
    );
  const kilobytes = own.map((text) => Number(/^VmHWM:\s+(\d+)/m.exec(text)?.[1]));
  return kilobytes.length > 0 ? Math.max(...kilobytes) * 1024 : undefined;
}

const FLOWERS = [
  { "sepal length": 5.1, "sepal width": 3.5, "petal length": 1.4, "petal width": 0.2 },
  { "sepal length": 6.3, "sepal width": 2.9, "petal length": 5.6, "petal width": 1.8 },
];

async function predict(url: string | URL): Promise<{ status: number; labels: string[] }> {
  const response = await fetch(new URL("/predict", url), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ rows: FLOWERS }),
  });
  const { predictions = [] } = await response.json();
  return { status: response.status, labels: predictions.map(({ label }: { label: string }) => label) };
}

const EXPECTED = { status: 200, labels: ["setosa", "virginica"] };

describe("examples/edge_function.ts", () => {
  test("the function answers with the network as its only permission", async () => {
    const server = await startExample("edge_function.ts");
    try {
      assertEquals(await predict(server.url), EXPECTED);
      assertEquals(await predict(server.url), EXPECTED);
    } finally {
      await server.stop();
    }
  });

  test("the bundle is small enough to be uploaded", async () => {
    const files = await bundleEdge();
    const size = (name: string): number => gzipSync(files.get(name)!).length;
    assert(size("worker.js") < 110_000, `worker.js has ${size("worker.js")} bytes`);
    assert([...files.keys()].reduce((all, name) => all + size(name), 0) < 10_000_000);
  });

  test("the function answers in workerd, compiled ahead, on one thread, in less than 128 MB", {
    skip: skip ?? false,
  }, async () => {
    const modules = [...await bundleEdge()].map(([path, contents]) => ({
      type: TYPES[path.split(".").at(-1)!],
      path,
      contents: path.endsWith(".js") ? new TextDecoder().decode(contents) : contents,
    }));
    const { url, dispose } = await start!(modules);
    try {
      assertEquals(await predict(url), EXPECTED);
      // Requests share what the first one loaded, one after the other and at once.
      assertEquals(await Promise.all(Array.from({ length: 8 }, () => predict(url))), Array(8).fill(EXPECTED));
      const response = await fetch(new URL("/predict", url), { method: "POST", body: "{}" });
      assertEquals([response.status, (await response.json()).error.code], [415, "unsupported_media_type"]);
      // The runtime's own memory is in it, which platforms do not count.
      const bytes = mostMemory();
      assert(bytes === undefined || bytes < 128e6, `workerd took ${bytes} bytes`);
    } finally {
      await dispose();
    }
  });
});
