/**
 * What the WASM device needs of its runtime, in one object, so that tests can take parts of it away.
 *
 * @module
 */
import { spawnWorker } from "./spawn.ts";

/** Builds of the kernels, best first. */
export const VARIANTS = ["threads", "relaxed", "simd"] as const;

/** Name of a build of the kernels. */
export type Variant = (typeof VARIANTS)[number];

/** A thread that runs a script; messages go both ways. */
export interface Spawned {
  /** Sends a value to the script. */
  post(message: unknown): void;
  /** Ends the thread at once. */
  terminate(): void;
}

/** What may be heard from a thread. */
export interface SpawnHandlers {
  message(data: unknown): void;
  error(reason: string): void;
  exit(): void;
}

/** What the WASM device needs of its runtime. */
export interface WasmEnv {
  validate(bytes: Uint8Array<ArrayBuffer>): boolean;
  compile(bytes: Uint8Array<ArrayBuffer>): Promise<WebAssembly.Module>;
  instantiate(module: WebAssembly.Module, imports: WebAssembly.Imports): WebAssembly.Instance;
  /** Makes a memory that threads share; sizes in pages of 64 KiB. */
  shareMemory(initial: number, maximum: number): WebAssembly.Memory;
  /** Whether memory can be shared. */
  canShare(): boolean;
  /** Whether threads can be started. */
  canSpawn(): boolean;
  /** Starts a thread that does not keep the process alive. */
  spawn(source: string, handlers: SpawnHandlers): Spawned;
  /** Number of processors. */
  processors(): number;
  /** The base64 text of a build. */
  load(variant: Variant): Promise<string>;
  /** Longest time to wait until every worker has started, in milliseconds. */
  readonly patience: number;
}

/** The runtime that the program runs in. */
export const hostEnv: WasmEnv = {
  validate: (bytes) => typeof WebAssembly === "object" && WebAssembly.validate(bytes),
  compile: (bytes) => WebAssembly.compile(bytes),
  instantiate: (module, imports) => new WebAssembly.Instance(module, imports),
  shareMemory: (initial, maximum) => new WebAssembly.Memory({ initial, maximum, shared: true }),
  canShare: () =>
    typeof SharedArrayBuffer === "function" &&
    (globalThis as { crossOriginIsolated?: boolean }).crossOriginIsolated !== false,
  canSpawn: () => typeof Worker === "function",
  spawn: spawnWorker,
  processors: () => globalThis.navigator?.hardwareConcurrency ?? 1,
  async load(variant) {
    switch (variant) {
      case "threads":
        return (await import("./pkg/threads.js")).wasm;
      case "relaxed":
        return (await import("./pkg/relaxed.js")).wasm;
      case "simd":
        return (await import("./pkg/simd.js")).wasm;
    }
  },
  patience: 3000,
};
