/**
 * The script of a worker of the pool. It is text, so that it can be started without reading a file.
 *
 * @module
 */

/** Bytes of a worker's stack, a multiple of 64 KiB. */
export const WORKER_STACK = 1 << 20;

/** What the pool tells a worker, once. */
export interface WorkerStart {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  /** Number of the worker: 1 or more, the leader is 0. */
  readonly index: number;
  readonly stack: number;
}

/** What a worker tells the pool: it is about to take jobs, it has done its last, or it failed. */
export type WorkerNews = "ready" | "done" | { readonly error: string };

/** A plain script for `self` or `parentPort`: joins the kernels' memory and takes jobs until they are stopped. */
export const WORKER_SOURCE = `
const port = typeof self === "object" ? self : process.getBuiltinModule("node:worker_threads").parentPort;
const start = ({ module, memory, index, stack }) => {
  let kernels;
  try {
    const imports = {};
    for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
      (imports[from] ??= {})[name] = kind === "memory" ? memory : () => {};
    }
    kernels = new WebAssembly.Instance(module, imports).exports;
    kernels.__wbindgen_start?.(stack);
    port.postMessage("ready");
    kernels.worker(index);
    port.postMessage("done");
  } catch (error) {
    try { kernels?.abandon?.(index); } catch {}
    port.postMessage({ error: String(error?.message ?? error) });
  }
  if (typeof close === "function") close(); else process.exit();
};
if (port.on) port.on("message", start); else port.onmessage = (event) => start(event.data);
`;
