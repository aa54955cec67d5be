/**
 * Measured costs that {@linkcode auto} chooses by. Written by `deno task compare --curves`.
 *
 * @module
 */
import type { CostCurve } from "./auto.ts";

/** One entry for each device and head width. */
export const CURVES: readonly CostCurve[] = [];
