/**
 * Asks an adapter for a device with all that kernels can use.
 *
 * @module
 */

/** Features that kernels have variants for, and the one that times them. */
const FEATURES: readonly GPUFeatureName[] = ["shader-f16", "subgroups", "timestamp-query"];
/** Limits that matter; asked for as high as the adapter goes. */
const LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
] as const;
/** Limits that `bun-webgpu` 0.1.7 insists on whenever any limit is asked for. */
const STAGES = [
  "maxStorageBuffersInVertexStage",
  "maxStorageTexturesInVertexStage",
  "maxStorageBuffersInFragmentStage",
  "maxStorageTexturesInFragmentStage",
];

/** Names of GPUs that are programs. */
const SOFTWARE = /llvmpipe|lavapipe|swiftshader|softpipe|software|basic render/i;

/** A device and what it was asked with. */
export interface RequestedDevice {
  readonly device: GPUDevice;
  readonly adapter: GPUAdapter;
  /** Requests that were refused before, as sentences. */
  readonly refused: readonly string[];
}

/** The adapter's name for people. */
export function nameOf({ info }: GPUAdapter): string {
  const { description, device, architecture, vendor } = info;
  return description || [vendor, architecture, device].filter((word) => word !== "").join(" ") ||
    "unnamed adapter";
}

/** Why the adapter is not to be used, if it is not. */
export function refusalOf(adapter: GPUAdapter, software: boolean): string | undefined {
  const { info } = adapter;
  const words = `${info.description} ${info.device} ${info.architecture} ${info.vendor}`;
  if (/null/i.test(info.device) || /null backend/i.test(words)) {
    return `The adapter is a null backend (${words.trim()}), whose results are garbage; install a Vulkan driver that it likes`;
  }
  if (!software && (SOFTWARE.test(words) || info.isFallbackAdapter === true)) {
    return `The adapter is software (${
      nameOf(adapter)
    }), slower than WASM; prefer: "webgpu" takes it all the same`;
  }
  return undefined;
}

/**
 * Asks for an adapter.
 *
 * @param gpu The entry to WebGPU.
 * @param software Whether a software GPU will do.
 * @throws Error whose message says why there is none to use.
 */
export async function findAdapter(gpu: GPU, software: boolean): Promise<GPUAdapter> {
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) throw new Error("WebGPU finds no adapter");
  const refusal = refusalOf(adapter, software);
  if (refusal) throw new Error(refusal);
  return adapter;
}

/**
 * Requests a device: with the adapter's limits, else with those and the limits that one implementation insists on, else with
 * the defaults.
 *
 * @param find Gives a fresh adapter: one gives one device only.
 * @throws Error with all refusals.
 */
export async function requestDevice(find: () => Promise<GPUAdapter>): Promise<RequestedDevice> {
  const refused: string[] = [];
  for (const attempt of ["all limits", "all limits and stages", "default limits"] as const) {
    const adapter = await find();
    const limits: Record<string, number> = Object.fromEntries(
      LIMITS.map((name) => [name, adapter.limits[name]]),
    );
    if (attempt === "all limits and stages") {
      const offered = adapter.limits as unknown as Readonly<Record<string, number | undefined>>;
      for (const name of STAGES) limits[name] = offered[name] ?? 0;
    }
    const requiredFeatures = FEATURES.filter((feature) => adapter.features.has(feature));
    try {
      const device = await adapter.requestDevice(
        attempt === "default limits" ? { requiredFeatures } : { requiredFeatures, requiredLimits: limits },
      );
      return { device, adapter, refused };
    } catch (error) {
      refused.push(`with ${attempt}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new Error(`The adapter gives no device: ${refused.join("; ")}`);
}
