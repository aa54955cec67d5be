/**
 * Preprocessing of tables: reading, encoding, normalising, and the ensemble's members. Pure functions in float64.
 *
 * @module
 */

export * from "./average.ts";
export * from "./encode.ts";
export * from "./ensemble.ts";
export * from "./frame.ts";
export * from "./latin_square.ts";
export * from "./links.ts";
export * from "./matrix.ts";
export * from "./numpy_random.ts";
export * from "./pipeline.ts";
export * from "./python_random.ts";
export * from "./table.ts";
export * from "./torch_random.ts";
export * from "./unique_filter.ts";
