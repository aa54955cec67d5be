/**
 * Chooses what computes.
 *
 * @module
 */
import type { Backend, DeviceKind } from "./backend.ts";
import { createDevice } from "./core_device.ts";
import type { Device, DeviceAttempt, DeviceReport } from "./device.ts";
import { openReference } from "./reference/mod.ts";

/** Options of {@linkcode openDevice}. */
export interface OpenDeviceOptions {
  /** The device to try first. `"reference"` is slow and only opened when it is named here. @default the fastest that works */
  readonly prefer?: DeviceKind;
  /** Threads that compute, the caller's included. @default as many as the machine has, up to a limit */
  readonly threads?: number;
  /** Run the device in a worker, so that the caller's thread never computes. @default false */
  readonly offThread?: boolean;
  /** A module compiled ahead, for platforms that refuse to compile while they run; one thread. */
  readonly wasm?: WebAssembly.Module;
  /** Gets the report of the device that was opened. */
  readonly onReport?: (report: DeviceReport) => void;
  /** Gives up opening. */
  readonly signal?: AbortSignal;
}

/**
 * Opens the best device that works here.
 *
 * @param options What to prefer; see the fields.
 * @returns The device; `report.tried` says what was tried and why it was taken or refused.
 * @throws Error with all reasons if nothing works; the signal's reason if it is aborted.
 */
export async function openDevice(options: OpenDeviceOptions = {}): Promise<Device> {
  const { prefer, onReport, signal } = options;
  if (prefer !== undefined && !Object.hasOwn(OPENERS, prefer)) {
    throw new TypeError(`Cannot open a device of kind "${prefer}": expected webgpu, wasm or reference`);
  }
  const order: readonly DeviceKind[] = prefer === undefined || prefer === "wasm" ? ["wasm"] : [prefer, "wasm"];
  const tried: DeviceAttempt[] = [];
  const causes: unknown[] = [];
  let opened: Device | undefined;
  for (const kind of order) {
    signal?.throwIfAborted();
    const begin = performance.now();
    try {
      const { backend, attempts } = await OPENERS[kind](options);
      if (signal?.aborted) backend.dispose();
      signal?.throwIfAborted();
      tried.push(...attempts.map((attempt) => ({ kind, ...attempt })));
      opened = createDevice(backend, tried);
      break;
    } catch (error) {
      signal?.throwIfAborted();
      const reason = error instanceof Error ? error.message : String(error);
      tried.push({ kind, ok: false, reason, ms: performance.now() - begin });
      causes.push(error);
    }
  }
  if (opened) {
    onReport?.(opened.report);
    return opened;
  }
  const reasons = tried.map(({ kind, reason }) => `${kind}: ${reason}`).join("; ");
  throw new AggregateError(causes, `Cannot open a device: ${reasons}`);
}

/** A backend, and what was tried below it. */
interface Opened {
  readonly backend: Backend;
  readonly attempts: readonly Omit<DeviceAttempt, "kind">[];
}

const OPENERS: Readonly<Record<DeviceKind, (options: OpenDeviceOptions) => Promise<Opened>>> = {
  webgpu: () => Promise.reject(new Error("This build has no WebGPU device")),
  wasm: async ({ threads, wasm: module, signal }) => {
    const { openWasm } = await import("../../wasm/mod.ts");
    const { backend, attempts } = await openWasm({ threads, module, signal });
    return { backend, attempts: attempts.map(({ variant, ok, reason, ms }) => ({ ok, reason: `${variant}: ${reason}`, ms })) };
  },
  reference: () => Promise.resolve({ backend: openReference(), attempts: [{ ok: true, reason: "It was asked for", ms: 0 }] }),
};
