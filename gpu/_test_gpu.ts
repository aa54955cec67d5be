/**
 * The GPU of the machine that runs the tests, if there is one (a software GPU will do), and ways to make it fail.
 *
 * @module
 */
import process from "node:process";
import { nameOf } from "./adapter.ts";
import { findGPU } from "./runtime.ts";

/** The entry to WebGPU, if this machine has one that computes. */
export const gpu: GPU | undefined = await findGPU().then(async (found) => {
  const adapter = await found.requestAdapter();
  return adapter === null || adapter.info.device === "null-backend" ? undefined : found;
}).catch(() => undefined);

/** Whether kernels take seconds to compile, so that tests had better choose among them. */
export const slow: boolean =
  await gpu?.requestAdapter().then((adapter) => adapter !== null && /swiftshader/i.test(nameOf(adapter))) ??
    false;

// A machine that is meant to have a GPU must not pass for want of one.
if (gpu === undefined && process.env["FILIGREE_GPU"] === "required") {
  throw new Error('FILIGREE_GPU is "required", but WebGPU finds no adapter that computes');
}

/**
 * The same entry, whose adapters and devices are changed before they are handed out.
 *
 * @param real What it stands before.
 * @param change Changes methods of the adapter or the device in place.
 */
export function changedGPU(
  real: GPU,
  change: { adapter?: (adapter: GPUAdapter) => void; device?: (device: GPUDevice) => void },
): GPU {
  return {
    async requestAdapter(options?: GPURequestAdapterOptions) {
      const adapter = await real.requestAdapter(options);
      if (adapter === null) return null;
      const request = adapter.requestDevice.bind(adapter);
      replace(adapter, "requestDevice", async (descriptor: GPUDeviceDescriptor) => {
        const device = await request(descriptor);
        change.device?.(device);
        return device;
      });
      change.adapter?.(adapter);
      return adapter;
    },
  } as GPU;
}

/** Puts a property of an object's own before the one of its class. */
export function replace(object: object, name: string, value: unknown): void {
  Object.defineProperty(object, name, { value, configurable: true, writable: true });
}
