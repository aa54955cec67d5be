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
export * from "./ada_spa.ts";
export { adaSpaSchedule, type AdaSpaStep } from "./ada_spa_schedule.ts";
export type { AdaSpaFound } from "./ada_spa_search.ts";
export { type AdaSpaResult, AdaSpaSession } from "./ada_spa_session.ts";
export * from "./anchor_attention.ts";
export { auto, type AutoChoice, type AutoMethod, type AutoOptions, type AutoQuestion } from "./auto.ts";
export type { CostCurve, MethodCurve } from "./auto.ts";
export * from "./double_sparsity.ts";
export type { DoubleSparsitySample, DoubleSparsitySamples } from "./double_sparsity_calibrate.ts";
export type { LabelBits } from "./double_sparsity_labels.ts";
export type { ChannelSource, DoubleSparsityProfile } from "./double_sparsity_profile.ts";
export * from "./efficient_vdit.ts";
export { frameDensity, type FrameTileCounts, frameTiles, referenceFrames } from "./efficient_vdit_frames.ts";
export {
  type EfficientVditLayer,
  efficientVditLayers,
  type EfficientVditProfile,
  parseEfficientVditProfile,
} from "./efficient_vdit_profile.ts";
export type { EfficientVditSample, EfficientVditSearchOptions } from "./efficient_vdit_search.ts";
export {
  type DiffusionSchedule,
  type Jump,
  jumpFactors,
  type Segments,
  segmentStep,
  segmentTarget,
} from "./efficient_vdit_segments.ts";
export * from "./flex_prefill.ts";
export { flatMapWarning } from "./flat_maps.ts";
export type { DenoisingPlace } from "./generation_state.ts";
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
export * from "./paro_attention.ts";
export type { ParoCalibrateOptions, ParoSample } from "./paro_attention_calibrate.ts";
export type { ParoFigures } from "./paro_attention_choice.ts";
export { type ParoBits, paroIntegerAttention, type ParoIntegerOptions } from "./paro_attention_integer.ts";
export type { GridDims } from "./paro_attention_orders.ts";
export {
  type ParoHeader,
  type ParoProfile,
  parseParoProfile,
  writeParoProfile,
} from "./paro_attention_profile.ts";
export * from "./pbs_attn.ts";
export type { Citation, Method, Planner, PlanState } from "./planner.ts";
export type { Samples } from "./samples.ts";
export * from "./seer_attention.ts";
export * from "./seer_attention_gate.ts";
export type { GateResult, GateTensors, PooledInputs } from "./seer_attention_forward.ts";
export { seerTarget } from "./seer_attention_target.ts";
export type { CacheShape, Choice, Selection, Selector } from "./selector.ts";
export * from "./sparse_d.ts";
export * from "./sparse_d_schedule.ts";
export { type SparseDResult, SparseDSession } from "./sparse_d_session.ts";
export * from "./sparse_vdit.ts";
export type { SparseVditCalibrateOptions, SparseVditSample } from "./sparse_vdit_calibrate.ts";
export type { SparseVditInputs } from "./sparse_vdit_errors.ts";
export { SPARSE_VDIT_MODES, type SparseVditGeometry } from "./sparse_vdit_modes.ts";
export {
  headGroups,
  parseSparseVditProfile,
  type SparseVditLayer,
  type SparseVditProfile,
} from "./sparse_vdit_profile.ts";
export * from "./sparsifiner.ts";
export {
  type SparsifinerFile,
  SparsifinerPredictor,
  type SparsifinerRecord,
  type SparsifinerSizes,
} from "./sparsifiner_predictor.ts";
export { type SparsifinerPass, uploadPredictor } from "./sparsifiner_forward.ts";
export * from "./streaming.ts";
export { type Heads, strided, type StridedOptions } from "./strided.ts";
export type { VideoLayout } from "./video_layout.ts";
