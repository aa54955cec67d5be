/**
 * Filigree: edge inference for Deno and Bun on WebGPU or WASM SIMD.
 *
 * @example Predict a table
 * ```ts
 * import { openDevice, OrionMSPClassifier } from "./mod.ts";
 *
 * const device = await openDevice();
 * const classifier = await OrionMSPClassifier.load({ device });
 * await classifier.fit([[5.1, "red"], [6.2, "blue"], [4.9, "red"], [6.5, "blue"]], ["a", "b", "a", "b"]);
 * console.log(await classifier.predict([[5, "red"]]));
 * const context = await classifier.save(); // a file that an edge function restores without the table
 * device.dispose();
 * ```
 *
 * @module
 */
export * from "./sdk/device/mod.ts";
export * from "./sdk/attention/mod.ts";
export * from "./sdk/cache/mod.ts";
export * from "./sdk/lm/mod.ts";
export * from "./sdk/methods/mod.ts";
export * as methods from "./sdk/methods/mod.ts";
export * from "./sdk/train/mod.ts";
export * from "./sdk/weights/mod.ts";
export * from "./tabular/mod.ts";
