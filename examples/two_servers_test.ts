import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { describe, test } from "node:test";
import { assert, assertAlmostEquals, assertEquals } from "../sdk/testing/assert.ts";
import { type Started, startExample } from "./_start_test_server.ts";

const nginx = ["/usr/sbin/nginx", "/usr/local/sbin/nginx", "/opt/homebrew/bin/nginx"].find((path) =>
  existsSync(path)
);

const TRAIN = Array.from(
  { length: 24 },
  (_, i) => ({ a: i % 12, b: (i * 7) % 5, label: i % 12 < 6 ? "low" : "high" }),
);

/** A port that nobody listens on. */
function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** Starts the example's nginx in front of two servers, in a folder of its own. */
async function startNginx(
  servers: readonly Started[],
  folder: string,
): Promise<{ url: string; child: ChildProcess }> {
  const port = await freePort();
  const ports = [port, ...servers.map((server) => server.port)];
  const conf = (await readFile(new URL("nginx.conf", import.meta.url), "utf8"))
    .replaceAll(/127\.0\.0\.1:800(\d)/g, (_, i) => `127.0.0.1:${ports[Number(i)]}`);
  await writeFile(`${folder}/nginx.conf`, conf);
  const checked = spawnSync(nginx!, ["-t", "-p", folder, "-c", `${folder}/nginx.conf`], { encoding: "utf8" });
  assertEquals(checked.status, 0, checked.stderr);
  const child = spawn(nginx!, ["-p", folder, "-c", `${folder}/nginx.conf`], { stdio: "ignore" });
  const url = `http://127.0.0.1:${port}`;
  for (let tries = 0; tries < 100; tries++) {
    if (await fetch(`${url}/health`).then((r) => r.body?.cancel().then(() => r.ok), () => false)) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return { url, child };
}

describe(
  "two servers that share a folder of contexts",
  { skip: nginx ? false : "nginx is not installed" },
  () => {
    test("answer alike behind nginx: what one learns both predict, also when the other is gone", async () => {
      const folder = await mkdtemp(`${tmpdir()}/filigree-nginx-`);
      const store = `${folder}/contexts`;
      const options = {
        args: ["--store", store, "--threads", "1"],
        permissions: ["--allow-net", `--allow-read=${folder}`, `--allow-write=${folder}`],
      };
      const servers = await Promise.all([
        startExample("serve.ts", options),
        startExample("serve.ts", options),
      ]);
      const [first, second] = servers as [Started, Started];
      let proxy: ChildProcess | undefined;
      try {
        for (const { url } of servers) {
          while ((await fetch(`${url}/health`)).status !== 200) {
            await new Promise((resolve) => setTimeout(resolve, 20));
          }
        }
        const { url, child } = await startNginx(servers, folder);
        proxy = child;
        const headers = { "content-type": "application/json" };
        const fitted = await fetch(`${url}/v1/tabular/contexts`, {
          method: "POST",
          headers,
          body: JSON.stringify({ train: TRAIN, target: "label" }),
        });
        const { id } = await fitted.json();
        assertEquals(fitted.status, 201);
        assertEquals((await readdir(store)).length, 1);

        let expected: number[] | undefined;
        const predict = async (base: string): Promise<void> => {
          const response = await fetch(`${base}/v1/tabular/contexts/${id}/predict`, {
            method: "POST",
            headers,
            body: JSON.stringify({ rows: [{ a: 1, b: 2 }, { a: 11, b: 2 }] }),
          });
          const { predictions } = await response.json();
          const labels = predictions.map(({ label }: { label: string }) => label);
          assertEquals([response.status, labels], [200, ["low", "high"]]);
          const low: number[] = predictions.map((one: { probabilities: { low: number } }) =>
            one.probabilities.low
          );
          expected ??= low;
          // Rows that are computed with those of others are added up in another order.
          low.forEach((value, i) => assertAlmostEquals(value, expected![i]!, 1e-6));
        };
        await Promise.all([first.url, second.url, url, url, url, url].map(predict));
        const counts = await Promise.all(servers.map(async (server) => {
          const text = await (await fetch(`${server.url}/metrics`)).text();
          return Number(/requests_total\{[^}]*contexts\/:id\/predict[^}]*\} (\d+)/.exec(text)?.[1]);
        }));
        assert(counts.every((count) => count >= 2), `both were asked in turn: ${counts}`);

        await first.stop();
        for (let i = 0; i < 4; i++) await predict(url);
        const gone = await fetch(`${url}/v1/tabular/contexts/${id}`, { method: "DELETE" });
        assertEquals([gone.status, (await gone.json()).deleted, await readdir(store)], [200, true, []]);
      } finally {
        if (proxy) {
          const ended = new Promise((resolve) => proxy!.on("exit", resolve));
          proxy.kill("SIGTERM");
          await ended;
        }
        for (const server of servers) await server.stop();
        await rm(folder, { recursive: true, force: true });
      }
    });
  },
);
