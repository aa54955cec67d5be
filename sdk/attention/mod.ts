/**
 * Attention over heads of tokens, dense or by a plan.
 *
 * @module
 */
export { attention, type AttentionOptions, type AttentionResult, MAX_PLANNED_HEAD_DIM } from "./attention.ts";
export { type HostLists, planFromLists, planFromMask } from "./builders.ts";
export type { DrawOptions } from "./draw.ts";
export { densePlan, Plan, type PlanLayout, planOf, type PlanParts, type PlanShape } from "./plan.ts";
export { rowMax } from "./row_max.ts";
export { tileMass, type TileMassOptions } from "./tile_mass.ts";
