/**
 * Opens the WebGPU device: the adapter, its limits, and proof that it computes right.
 *
 * @module
 */
import type { BackendReport, MeasuredSpeed } from "../sdk/device/backend.ts";
import { findAdapter, nameOf, requestDevice } from "./adapter.ts";
import { createWebGPUBackend, type WebGPUBackend } from "./backend.ts";
import type { Caps } from "./kernel.ts";
import { measure, prove } from "./prove.ts";
import { findGPU } from "./runtime.ts";

/** Options of {@linkcode openWebGPU}. */
export interface OpenWebGPUOptions {
  /** Take a software GPU too. @default false */
  readonly software?: boolean;
  /** The entry to WebGPU. @default the runtime's */
  readonly gpu?: GPU;
  /** Leave kernels less than the adapter has, for tests. @default all of it */
  readonly caps?: Partial<Caps>;
  /** Gives up opening. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Opens the WebGPU device if there is a GPU that proves itself.
 *
 * @param options What to take; see the fields.
 * @throws Error whose message is the reason if no trustworthy GPU exists; the signal's reason if it is aborted.
 */
export async function openWebGPU(options: OpenWebGPUOptions = {}): Promise<WebGPUBackend> {
  const { software = false, gpu = await findGPU(), signal } = options;
  const find = async (): Promise<GPUAdapter> => {
    signal?.throwIfAborted();
    return await findAdapter(gpu, software);
  };
  const wrong: string[] = [];
  for (const plain of [false, true]) {
    const { device, adapter, refused } = await requestDevice(find);
    const { limits, features } = device;
    const has = (feature: GPUFeatureName): boolean => features.has(feature);
    const caps: Caps = {
      maxBinding: Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize),
      workgroupBytes: limits.maxComputeWorkgroupStorageSize,
      invocations: Math.min(limits.maxComputeInvocationsPerWorkgroup, limits.maxComputeWorkgroupSizeX),
      f16: !plain && has("shader-f16"),
      subgroups: !plain && has("subgroups"),
      ...options.caps,
    };
    let measured: MeasuredSpeed | undefined;
    const backend = createWebGPUBackend(
      device,
      caps,
      (): BackendReport => ({
        adapter: nameOf(adapter),
        features: [...features].sort(),
        variants: variantsOf(caps, refused.length),
        ...(measured && { measured }),
      }),
    );
    try {
      await prove(backend, caps.f16);
      measured = await measure(backend, has("timestamp-query"));
      signal?.throwIfAborted();
      return backend;
    } catch (error) {
      backend.dispose();
      signal?.throwIfAborted();
      wrong.push(error instanceof Error ? error.message : String(error));
      // The plain kernels are worth a try only where others were in use.
      if (!caps.f16 && !caps.subgroups) break;
    }
  }
  throw new Error(wrong.join("; with plain kernels: "));
}

function variantsOf(caps: Caps, refused: number): string[] {
  return [
    caps.f16 ? "f16" : "",
    caps.subgroups ? "subgroups" : "",
    `${Math.floor(caps.workgroupBytes / 1024)} KiB workgroups`,
    refused > 0 ? "reduced limits" : "",
  ].filter((name) => name !== "");
}
