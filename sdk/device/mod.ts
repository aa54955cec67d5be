/**
 * Devices, tensors and the operations on them.
 *
 * @module
 */
export * from "./backend.ts";
export { createDevice } from "./core_device.ts";
export type { Device, DeviceAttempt, DeviceReport, Scope, TensorData, WeightData } from "./device.ts";
export * from "./errors.ts";
export { openDevice, type OpenDeviceOptions } from "./open_device.ts";
export * from "./ops.ts";
export * from "./ops/mod.ts";
export { recovering } from "./recovering.ts";
export { type Kept, scoped } from "./scoped.ts";
export { sizeOf } from "./shape.ts";
export type { Tensor, Weight } from "./tensor.ts";
