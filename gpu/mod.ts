/**
 * The WebGPU device.
 *
 * @module
 */
export { openWebGPU, type OpenWebGPUOptions } from "./open_webgpu.ts";
export { refusalOfGPU } from "./refusal.ts";
export type { WebGPUBackend } from "./backend.ts";
