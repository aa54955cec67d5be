/**
 * Published sparse-attention methods: each turns queries and keys into a plan.
 *
 * @example
 * ```ts
 * import { attention } from "../attention/mod.ts";
 * import { openDevice } from "../device/mod.ts";
 * import { flexPrefill } from "./mod.ts";
 *
 * const device = await openDevice();
 * const x = device.tensor(new Float32Array(4 * 2048 * 64), [4, 2048, 64]);
 * const plan = flexPrefill({ gamma: 0.95 }).plan(device, x, x);
 * console.log(attention(device, x, x, x, { plan }).out.shape); // 4, 2048, 64
 * device.dispose();
 * ```
 *
 * @module
 */
export * from "./anchor_attention.ts";
export { auto, type AutoChoice, type AutoMethod, type AutoOptions, type AutoQuestion } from "./auto.ts";
export type { CostCurve, MethodCurve } from "./auto.ts";
export * from "./double_sparsity.ts";
export type { DoubleSparsitySample, DoubleSparsitySamples } from "./double_sparsity_calibrate.ts";
export type { LabelBits } from "./double_sparsity_labels.ts";
export type { ChannelSource, DoubleSparsityProfile } from "./double_sparsity_profile.ts";
export * from "./flex_prefill.ts";
export * from "./longgen.ts";
export * from "./lserve.ts";
export { type HeadTable, parseHeadScores, retrievalHeads } from "./lserve_heads.ts";
export type { PageSizes } from "./lserve_pages.ts";
export type { LserveDecodeOptions, LserveSelection } from "./lserve_selection.ts";
export * from "./minference.ts";
export * from "./mminference.ts";
export * from "./moa.ts";
export type { MoaCalibrateOptions, MoaSample } from "./moa_calibrate.ts";
export { type InfluenceOptions, profileInfluence } from "./moa_influence.ts";
export {
  densityOf,
  type MoaCache,
  type MoaCacheOptions,
  moaCaches,
  type MoaPlan,
  moaRingSlots,
  parseMoaPlan,
} from "./moa_plan.ts";
export type { MoaImportance, MoaRule, MoaRuleOptions } from "./moa_rules.ts";
export { type MoaCandidate, type MoaFront, type MoaSearchOptions, searchPlan } from "./moa_search.ts";
export * from "./pbs_attn.ts";
export type { Citation, Method, Planner, PlanState } from "./planner.ts";
export * from "./seer_attention.ts";
export * from "./seer_attention_gate.ts";
export type { GateResult, GateTensors, PooledInputs } from "./seer_attention_forward.ts";
export { seerTarget } from "./seer_attention_target.ts";
export type { CacheShape, Choice, Selection, Selector } from "./selector.ts";
export * from "./streaming.ts";
export { type Heads, strided, type StridedOptions } from "./strided.ts";
