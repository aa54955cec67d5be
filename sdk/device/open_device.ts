/**
 * Chooses what computes.
 *
 * @module
 */
import type { Backend, DeviceKind } from "./backend.ts";
import { createDevice } from "./core_device.ts";
import type { Device, DeviceAttempt, DeviceReport } from "./device.ts";
import { openReference } from "./reference/mod.ts";
import { type BackendOptions, type OffThreadHost, openOffThread } from "./worker/off_thread.ts";
import type { Avoided } from "./worker/protocol.ts";
import type { Variant } from "../../wasm/env.ts";
import type { Helper } from "./worker/relay.ts";
import { spawnWorker } from "./worker/spawn.ts";

/** Options of {@linkcode openDevice}. */
export interface OpenDeviceOptions {
  /** The device to try first. `"reference"` is slow and only opened when it is named here. @default the fastest that works */
  readonly prefer?: DeviceKind;
  /** Threads that compute, the caller's included. @default as many as the machine has, up to a limit */
  readonly threads?: number;
  /** Run the device in a worker, so that the caller's thread never computes. @default false */
  readonly offThread?: boolean;
  /** A module compiled ahead, for platforms that refuse to compile while they run; one thread, and no GPU unless it is preferred. */
  readonly wasm?: WebAssembly.Module;
  /**
   * Open the next device when this one is lost, so that models can finish their calls; false: calls throw `DeviceLostError`. The order is the
   * same as at first, without kinds that were lost twice. @default true
   */
  readonly recover?: boolean;
  /** Gets the report of the device that was opened. */
  readonly onReport?: (report: DeviceReport) => void;
  /** Gives up opening. */
  readonly signal?: AbortSignal;
}

/**
 * Opens the best device that works here: WebGPU on a GPU that proves itself, else WASM.
 *
 * @param options What to prefer; see the fields.
 * @returns The device; `report.tried` says what was tried and why it was taken or refused.
 * @throws Error with all reasons if nothing works; the signal's reason if it is aborted.
 */
export async function openDevice(options: OpenDeviceOptions = {}): Promise<Device> {
  const tried: DeviceAttempt[] = [];
  const { prefer, threads, wasm, offThread, recover = true, onReport } = options;
  const open = (signal: AbortSignal | undefined, avoid: Avoided): Promise<Backend> => {
    const own = { prefer, threads, wasm, signal, avoid };
    return offThread ? openOffThread(OFF_THREAD, own, tried) : openBackend(own, tried);
  };
  const backend = await open(options.signal, {});
  const device = createDevice(
    backend,
    tried,
    recover ? (lost, signal) => open(signal, twice(lost)) : undefined,
  );
  try {
    onReport?.(device.report);
  } catch (error) {
    device.dispose();
    throw error;
  }
  return device;
}

/**
 * Opens the best backend that works in this thread.
 *
 * @param options What to prefer.
 * @param tried Gets what was tried, in order.
 * @param helper Starts workers and loads builds. @default this thread itself
 * @returns The backend.
 * @throws As {@linkcode openDevice}.
 */
export async function openBackend(
  options: BackendOptions,
  tried: DeviceAttempt[],
  helper?: Helper,
): Promise<Backend> {
  const { prefer, signal, avoid = {} } = options;
  if (prefer !== undefined && !Object.hasOwn(OPENERS, prefer)) {
    throw new TypeError(`Cannot open a device of kind "${prefer}": expected webgpu, wasm or reference`);
  }
  const causes: unknown[] = [];
  const earlier = tried.length;
  for (const kind of orderOf(options)) {
    signal?.throwIfAborted();
    const begin = performance.now();
    try {
      if (avoid[kind] !== undefined) throw new Error(avoid[kind]);
      const backend = await OPENERS[kind](options, tried, helper);
      if (signal?.aborted) backend.dispose();
      signal?.throwIfAborted();
      const reason = kind === prefer ? "Preferred, and it works" : "The fastest that works here";
      tried.push({ kind, ok: true, reason, ms: performance.now() - begin });
      return backend;
    } catch (error) {
      signal?.throwIfAborted();
      const reason = error instanceof Error ? error.message : String(error);
      tried.push({ kind, ok: false, reason, ms: performance.now() - begin });
      causes.push(error);
    }
  }
  const reasons = tried.slice(earlier).map(({ kind, reason }) => `${kind}: ${reason}`).join("; ");
  throw new AggregateError(causes, `Cannot open a device: ${reasons}`);
}

/** The kinds to try, in order. A module compiled ahead is there to be used: only a GPU that is asked for comes before it. */
function orderOf({ prefer, wasm }: BackendOptions): readonly DeviceKind[] {
  if (prefer === "wasm" || (prefer === undefined && wasm !== undefined)) return ["wasm"];
  return [prefer ?? "webgpu", "wasm"];
}

function twice(kinds: readonly DeviceKind[]): Avoided {
  const again = kinds.filter((kind, i) => kinds.indexOf(kind) < i);
  return Object.fromEntries(again.map((kind) => [kind, "It was lost twice, so it is not tried again"]));
}

/** Why no GPU is to be opened. The file is loaded alone: most machines need no more of `gpu/`. */
async function refuseGPU(prefer: DeviceKind | undefined): Promise<string | undefined> {
  const { refusalOfGPU } = await import("../../gpu/refusal.ts");
  return await refusalOfGPU({ software: prefer === "webgpu" });
}

type Opener = (
  options: BackendOptions,
  tried: DeviceAttempt[],
  helper: Helper | undefined,
) => Promise<Backend>;

const OPENERS: Readonly<Record<DeviceKind, Opener>> = {
  webgpu: async ({ prefer, signal }) => {
    const refusal = await refuseGPU(prefer);
    if (refusal !== undefined) throw new Error(refusal);
    const { openWebGPU } = await import("../../gpu/mod.ts");
    return await openWebGPU({ software: prefer === "webgpu", signal });
  },
  wasm: async ({ threads, wasm, signal }, tried, helper) => {
    const { hostEnv, openWasm } = await import("../../wasm/mod.ts");
    const env = helper ? { ...hostEnv, ...helper } : hostEnv;
    const { backend, attempts } = await openWasm({ threads, module: wasm, signal }, env);
    for (const { variant, ok, reason, ms } of attempts) {
      if (!ok) tried.push({ kind: "wasm", ok, reason: `Build "${variant}" does not work: ${reason}`, ms });
    }
    return backend;
  },
  reference: () => Promise.resolve(openReference()),
};

const OFF_THREAD: OffThreadHost = {
  async spawnServer(handlers) {
    const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
    const module = new URL(`./worker/device_worker.${extension}`, import.meta.url);
    try {
      return spawnWorker(module, handlers);
    } catch (error) {
      // Deno reads no file of ours without permission, not even one of the program; the same code is here as text.
      if (!(error instanceof Error) || error.name !== "NotCapable") throw error;
      const { source } = await import("./worker/bundle.js");
      return spawnWorker(source, handlers);
    }
  },
  async avoid(options) {
    const { prefer, avoid = {} } = options;
    if (avoid.webgpu !== undefined || !orderOf(options).includes("webgpu")) return avoid;
    // Deno may crash at its exit when a worker that asked for an adapter is still there.
    const refusal = await refuseGPU(prefer);
    return refusal === undefined ? avoid : { ...avoid, webgpu: refusal };
  },
  spawn: spawnWorker,
  async load(build) {
    const { hostEnv } = await import("../../wasm/mod.ts");
    return hostEnv.load(build as Variant);
  },
};
