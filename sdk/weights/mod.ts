/**
 * Weights files.
 *
 * @module
 */
export {
  readSafetensors,
  type SafetensorsArrays,
  type SafetensorsDType,
  type SafetensorsEntry,
  type SafetensorsFile,
  toFloat32,
  writeSafetensors,
} from "./safetensors.ts";
