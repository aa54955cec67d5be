/**
 * The module of the worker that computes for a device opened with `offThread`.
 *
 * @module
 */
import { openBackend } from "../open_device.ts";
import type { Request } from "./protocol.ts";
import { serveBackend } from "./serve.ts";

/** What a worker has to speak through: `self`, or `parentPort` of `node:worker_threads`. */
interface Port {
  postMessage(message: unknown, transfer?: ArrayBuffer[]): void;
  on?(event: "message", listener: (data: Request) => void): void;
  onmessage?: ((event: MessageEvent) => void) | null;
}

interface Process {
  getBuiltinModule(name: string): { readonly parentPort: Port };
  exit(): void;
}

interface WorkerGlobals {
  readonly self?: Port;
  readonly process?: Process;
  readonly close?: () => void;
}

const { self, process, close } = globalThis as unknown as WorkerGlobals;
const port = self ?? process!.getBuiltinModule("node:worker_threads").parentPort;
const hear = serveBackend({
  post: (response, transfer = []) => port.postMessage(response, transfer),
  close: () => close ? close() : process!.exit(),
}, openBackend);
if (port.on) port.on("message", hear);
else port.onmessage = (event) => hear(event.data);
