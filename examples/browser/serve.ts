/**
 * Bundles the page and serves it on this machine:
 *
 *     deno run -A examples/browser/serve.ts
 *     bun examples/browser/serve.ts
 *
 * @module
 */
import { readFile } from "node:fs/promises";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { bundlePage } from "./bundle.ts";

/** What is served besides what is bundled, from this folder and the one above. */
const FILES: Readonly<Record<string, string>> = {
  "": "index.html",
  "data/iris.csv": "../data/iris.csv",
  "data/wine.csv": "../data/wine.csv",
  "data/breast_cancer.csv": "../data/breast_cancer.csv",
};

const TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  css: "text/css",
  js: "text/javascript",
  csv: "text/csv",
};

/** Pages without these share no memory between threads. */
const ISOLATION = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
};

/** A server that runs. */
export interface PageServer {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Bundles the page and serves it, to this machine only.
 *
 * @param port Where; 0 picks a free one.
 * @returns The server.
 * @throws Error if the page does not bundle or the port is taken.
 */
export async function servePage(port: number): Promise<PageServer> {
  const bundled = await bundlePage();
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://localhost").pathname.slice(1);
    const name = FILES[path];
    const made = bundled.get(path);
    if (made) send(response, path, made);
    else if (name === undefined) response.writeHead(404).end("There is no such page");
    else {
      readFile(new URL(name, import.meta.url)).then(
        (bytes) => send(response, name, bytes),
        (error) => response.writeHead(500).end(String(error)),
      );
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  return {
    url: `http://localhost:${(server.address() as AddressInfo).port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function send(response: ServerResponse, name: string, bytes: Uint8Array): void {
  const type = TYPES[name.slice(name.lastIndexOf(".") + 1)] ?? "application/octet-stream";
  response.writeHead(200, { "content-type": type, "cache-control": "no-store", ...ISOLATION }).end(bytes);
}

if (import.meta.main) {
  const { url } = await servePage(Number(process.env["PORT"] ?? 8080));
  console.log(`Open ${url}`);
}
