/**
 * The WASM device.
 *
 * @module
 */
export type { WasmBackend } from "./backend.ts";
export type { Variant, WasmEnv } from "./env.ts";
export { hostEnv, VARIANTS } from "./env.ts";
export { type OpenedWasm, openWasm, type OpenWasmOptions, type WasmAttempt } from "./open_wasm.ts";
export { probeFeatures, type WasmFeatures } from "./probe.ts";
