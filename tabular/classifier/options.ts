/**
 * Settings of the classifier.
 *
 * @module
 */
import { dense, type Storage } from "../../sdk/cache/mod.ts";
import { profileKey } from "../../sdk/methods/double_sparsity_profile.ts";
import type { OrionConfig } from "../model/config.ts";
import { type ContextForm, type RowSelection, rowSelector } from "../model/label_cache.ts";
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

/** How a fitted context is kept and read, like the cache of a long prompt; not for official weights, which have none. */
export interface ContextOptions {
  /**
   * How the keys and values of train rows are stored: `dense()`, `quantized()` or `bitmap()`. Fewer bytes, on the device and in the file, cost some exactness. A table does not
   * grow, so that `bitmap({ window: 0, chunk: 64 })` compresses all of its rows but the last 63. @default dense({ type: "f16" })
   */
  readonly storage?: Storage;
  /**
   * Double Sparsity over train rows: every row to predict reads those that its labels score best. `{}` reads a quarter of them by labels of a quarter of the channels, in every
   * layer; `{ tokens: 256, channelRatio: 1 / 2 }` reads 256. Rows are predicted one by one, which pays for few rows and many train rows. @default every row reads all train rows
   */
  readonly select?: RowSelection;
}

/** Storages whose rows lie on the device and may come from a file that is not trusted. */
const STORAGES = ["dense", "quantized", "bitmap"];

/**
 * Fills in what the caller left open and checks the rest.
 *
 * @throws RangeError if an option is out of range, or the weights keep no context.
 */
export function contextForm(config: OrionConfig, given: ContextOptions | undefined): ContextForm {
  const { storage = dense({ type: "f16" }), select } = given ?? {};
  if (given !== undefined && config.mode === "official") {
    throw new RangeError(
      `Cannot use option "context": official weights keep no context but recompute; leave it out or use other weights`,
    );
  }
  checkStorage(storage.spec.name);
  // The profile is made at fit; the other options are checked before that long computation.
  if (select) rowSelector(select, { [profileKey(0, "qk")]: [] });
  return { memory: "f16", storage, select };
}

/** @throws RangeError if a context cannot be kept so. */
export function checkStorage(name: string): void {
  if (STORAGES.includes(name)) return;
  throw new RangeError(`Cannot keep a context in storage "${name}": expected ${STORAGES.join(", ")}`);
}
