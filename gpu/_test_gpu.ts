/**
 * The GPU of the machine that runs the tests, if there is one; a software GPU will do.
 *
 * @module
 */
import process from "node:process";
import { findGPU } from "./runtime.ts";

/** The entry to WebGPU, or why there is none. */
export const gpu: GPU | Error = await findGPU().then(async (found) => {
  const adapter = await found.requestAdapter();
  if (adapter === null) throw new Error("WebGPU finds no adapter");
  if (adapter.info.device === "null-backend") throw new Error("WebGPU finds a null backend");
  return found;
}).catch((error: Error) => error);

// A machine that is meant to have a GPU must not pass for want of one.
if (gpu instanceof Error && process.env["FILIGREE_GPU"] === "required") throw gpu;
