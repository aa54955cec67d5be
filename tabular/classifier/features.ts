/**
 * From a table to the numbers that the model reads: encode, drop constant columns, normalise once per method.
 *
 * @module
 */
import { type Encoder, fitEncoder, restoreEncoder } from "../preprocess/encode.ts";
import { keepColumns, type Matrix } from "../preprocess/matrix.ts";
import { fitTransform, type NormMethod, type Pipeline, restorePipeline } from "../preprocess/pipeline.ts";
import type { TableInput } from "../preprocess/table.ts";
import { uniqueFilter } from "../preprocess/unique_filter.ts";
import type { EnsembleSettings } from "./options.ts";

/** A fitted preprocessing of a table. */
export interface Features {
  readonly encoder: Encoder;
  /** 1 for every encoded column that varies in training. */
  readonly kept: Uint8Array;
  readonly methods: readonly NormMethod[];
  /** One per method. */
  readonly pipelines: readonly Pipeline[];
  /** Columns that the model sees. */
  readonly width: number;
}

/** Fits the preprocessing; also returns the training table, once per method. */
export function fitFeatures(
  input: TableInput,
  settings: EnsembleSettings,
): { features: Features; tables: Matrix[]; rows: number } {
  const { encoder, values } = fitEncoder(input);
  const kept = uniqueFilter(values);
  const train = keepColumns(values, kept);
  const fitted = settings.normMethods.map((method) => fitTransform(method, train, settings));
  const features = {
    encoder,
    kept,
    methods: settings.normMethods,
    pipelines: fitted.map((f) => f.pipeline),
    width: train.columns,
  };
  return { features, tables: fitted.map((f) => f.values), rows: values.rows };
}

/**
 * Applies a fitted preprocessing: one table per method.
 *
 * @param overflow What is clipped where a power transform overflows: the cell, or (as the official code does) the whole table.
 */
export function transformFeatures(
  features: Features,
  input: TableInput,
  overflow: "cell" | "table",
): Matrix[] {
  const table = keepColumns(features.encoder.encode(input), features.kept);
  return features.pipelines.map((pipeline) => pipeline.transform(table, overflow));
}

/** Makes a preprocessing from its saved parts. */
export function restoreFeatures(
  encoder: Parameters<typeof restoreEncoder>[0],
  kept: Uint8Array,
  pipelines: readonly Parameters<typeof restorePipeline>[0][],
): Features {
  const restored = pipelines.map(restorePipeline);
  const width = kept.reduce((all, keep) => all + keep, 0);
  return {
    encoder: restoreEncoder(encoder),
    kept,
    methods: restored.map((p) => p.state.method),
    pipelines: restored,
    width,
  };
}
