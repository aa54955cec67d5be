/**
 * Settings of the classifier.
 *
 * @module
 */
import type { OrionConfig } from "../model/config.ts";
import type { FeatureShuffle } from "../preprocess/ensemble.ts";
import type { NormMethod } from "../preprocess/pipeline.ts";

/** Settings of an ensemble; names follow the official classifier (SPEC 7.5). */
export interface EnsembleSettings {
  /** Members: passes over differently ordered, scaled and numbered versions of the table. @default 8, or 32 for official weights */
  readonly nEstimators: number;
  /** How columns are normalised; members take turns. @default ["none", "power"] */
  readonly normMethods: readonly NormMethod[];
  /** How members order the features. @default "latin" */
  readonly featShuffleMethod: FeatureShuffle;
  /** Whether members number the classes differently. @default true */
  readonly classShift: boolean;
  /** Standard deviations from which a value counts as an outlier. @default 4 */
  readonly outlierThreshold: number;
  /** Average logits, or probabilities. @default true */
  readonly averageLogits: boolean;
  /** Divides the logits. @default 0.9 */
  readonly softmaxTemperature: number;
  /** Members per pass; official weights only, whose result depends on it. @default 8 */
  readonly batchSize: number | null;
  /** Seed of orders, class shifts and noise. @default 42 */
  readonly randomState: number;
}

/** Fills in what the caller left open and checks the rest. */
export function ensembleSettings(
  config: OrionConfig,
  given: Partial<EnsembleSettings> = {},
): EnsembleSettings {
  const settings: EnsembleSettings = {
    nEstimators: given.nEstimators ?? (config.mode === "official" ? 32 : 8),
    normMethods: given.normMethods ?? ["none", "power"],
    featShuffleMethod: given.featShuffleMethod ?? "latin",
    classShift: given.classShift ?? true,
    outlierThreshold: given.outlierThreshold ?? 4,
    averageLogits: given.averageLogits ?? true,
    softmaxTemperature: given.softmaxTemperature ?? 0.9,
    batchSize: given.batchSize === undefined ? 8 : given.batchSize,
    randomState: given.randomState ?? 42,
  };
  if (!(settings.softmaxTemperature > 0)) {
    throw new RangeError(
      `Cannot use softmaxTemperature ${settings.softmaxTemperature}: expected a number above 0`,
    );
  }
  return settings;
}
