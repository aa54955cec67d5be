/**
 * What the WASM device needs of its runtime, in one object, so that tests can take parts of it away.
 *
 * @module
 */
import { type Spawned, type SpawnHandlers, spawnWorker } from "../sdk/device/worker/spawn.ts";

/** Builds of the kernels, best first. */
export const VARIANTS = ["threads", "relaxed", "simd"] as const;

/** Name of a build of the kernels. */
export type Variant = (typeof VARIANTS)[number];

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
  /** Starts a worker that does not keep the process alive. */
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
