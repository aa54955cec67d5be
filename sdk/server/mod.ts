/**
 * An HTTP handler that predicts tables and generates text, for Deno, Bun and every runtime with `fetch`.
 *
 * @module
 */

export { createHandler, shutdown } from "./create_handler.ts";
export type { HandlerOptions } from "./handler_options.ts";
export { ApiError, type ErrorBody } from "./api_error.ts";
export type { Limits } from "./limits.ts";
export { jsonLog, type LogEvent } from "./log.ts";
export type { Metrics } from "./metrics.ts";
export type { Cell, Column, ColumnType, Label } from "./tables.ts";
export type { PredictResponse } from "./routes/tabular.ts";
export type { Prediction, Predictions } from "./predictions.ts";
export type { Loadable, Served } from "./served.ts";
export type { ForkedClassifier, ServedClassifier } from "./served_classifier.ts";
export type { Variants } from "./language/choose_variant.ts";
export type { OtherWays, ServedLanguageModel } from "./language/served_language_model.ts";
export type { Routes, Service } from "./service.ts";
export type { CsvBodies, CsvReading, CsvTable } from "./csv.ts";
export { type ContextStore, type StoredContext, StoreFullError, StoreReadOnlyError } from "./stores/store.ts";
export type { PageModels, PageRoutes } from "./page/page_routes.ts";
