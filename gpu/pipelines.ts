/**
 * Compiled kernels, by variant.
 *
 * @module
 */
import { type Kernel, sourceOf, variantOf } from "./kernel.ts";
import type { Constants } from "./template.ts";

/** A compiled variant. */
export interface Pipeline {
  /** Its number, for keys. */
  readonly number: number;
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/** COMPUTE. */
const VISIBILITY = 0x4;

/** Compiles variants when they are first needed. */
export class Pipelines {
  readonly #device: GPUDevice;
  readonly #byVariant = new Map<string, Pipeline>();
  readonly #layouts = new Map<string, { group: GPUBindGroupLayout; pipeline: GPUPipelineLayout }>();

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** How many variants were compiled. */
  get size(): number {
    return this.#byVariant.size;
  }

  /** The compiled variant. A shader that does not compile is a validation error of the device. */
  get(kernel: Kernel, constants: Constants): Pipeline {
    const name = variantOf(kernel, constants);
    const known = this.#byVariant.get(name);
    if (known) return known;
    const layout = this.#layout(Object.values(kernel.bindings));
    const module = this.#device.createShaderModule({ label: name, code: sourceOf(kernel, constants) });
    const pipeline = this.#device.createComputePipeline({
      label: name,
      layout: layout.pipeline,
      compute: { module, entryPoint: "main" },
    });
    const made = { number: this.#byVariant.size, pipeline, layout: layout.group };
    this.#byVariant.set(name, made);
    return made;
  }

  #layout(
    bindings: readonly ("read" | "write")[],
  ): { group: GPUBindGroupLayout; pipeline: GPUPipelineLayout } {
    const key = bindings.join();
    const known = this.#layouts.get(key);
    if (known) return known;
    const group = this.#device.createBindGroupLayout({
      label: key,
      entries: [
        ...bindings.map((access, binding): GPUBindGroupLayoutEntry => ({
          binding,
          visibility: VISIBILITY,
          buffer: { type: access === "read" ? "read-only-storage" : "storage" },
        })),
        {
          binding: bindings.length,
          visibility: VISIBILITY,
          buffer: { type: "uniform", hasDynamicOffset: true },
        },
      ],
    });
    const made = { group, pipeline: this.#device.createPipelineLayout({ bindGroupLayouts: [group] }) };
    this.#layouts.set(key, made);
    return made;
  }
}
