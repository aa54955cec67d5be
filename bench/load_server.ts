/**
 * The server of the load test: one classifier, contexts in memory. Prints its port.
 *
 * Arguments: threads that compute, requests that may wait.
 *
 * @module
 */
import process from "node:process";
import { openDevice } from "../sdk/device/mod.ts";
import { createHandler } from "../sdk/server/mod.ts";
import { OrionMSPClassifier } from "../tabular/mod.ts";

const [threads = "1", waiting = "64"] = process.argv.slice(2);
const device = await openDevice({ prefer: "wasm", threads: Number(threads), offThread: true });
const classifier = await OrionMSPClassifier.load({ device });
const app = createHandler({ classifier, limits: { waiting: Number(waiting) }, onError: console.error });

interface Runtimes {
  Deno?: { serve(options: object, fetch: (request: Request) => unknown): void };
  Bun?: { serve(options: object): { port: number } };
}
const { Deno, Bun } = globalThis as unknown as Runtimes;
const options = { port: 0, hostname: "127.0.0.1", onListen: ({ port }: { port: number }) => console.log(port) };
if (Bun) console.log(Bun.serve({ ...options, idleTimeout: 120, fetch: (request: Request) => app.fetch(request) }).port);
else Deno!.serve(options, (request) => app.fetch(request));
