/**
 * Tabular prediction by in-context learning with Orion-MSP.
 *
 * @example Predict two rows
 * ```ts
 * import { OrionMSPClassifier } from "./mod.ts";
 *
 * const classifier = await OrionMSPClassifier.load();
 * await classifier.fit([[1, "a"], [2, "b"], [1.1, "a"], [2.2, "b"]], ["low", "high", "low", "high"]);
 * console.log(await classifier.predict([[1.05, "a"], [2.1, "b"]]));
 * classifier.dispose();
 * ```
 *
 * @module
 */
export {
  type ClassifierOptions,
  type FeatureColumn,
  OrionMSPClassifier,
  type RestoreOptions,
} from "./classifier/orion_msp_classifier.ts";
export type { Progress, RunOptions } from "./classifier/fitted_ensemble.ts";
export type { Label, Labels } from "./classifier/labels.ts";
export type { ContextOptions, EnsembleSettings } from "./classifier/options.ts";
export type { WeightsSource } from "./classifier/weights_source.ts";
export type { ArrayInput, NdArray, NestedNumbers } from "./model/arrays.ts";
export type { OrionConfig, OrionMode } from "./model/config.ts";
export type { ForwardOptions } from "./model/forward.ts";
export { OrionMSP, type OrionMSPOptions } from "./model/orion_msp.ts";
export type { RowSelection } from "./model/label_cache.ts";
export type { RowMasks } from "./model/row_interactor.ts";
export type { FeatureShuffle } from "./preprocess/ensemble.ts";
export type { NormMethod } from "./preprocess/pipeline.ts";
export type { Cell, CellList, NumberArray, TableInput } from "./preprocess/table.ts";
