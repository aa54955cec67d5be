/**
 * An HTTP handler that predicts tables, for Deno, Bun and every runtime with `fetch`.
 *
 * @module
 */

export {
  createHandler,
  type ForkedClassifier,
  type HandlerOptions,
  type PredictResponse,
  type ServedClassifier,
} from "./create_handler.ts";
export { ApiError, type ErrorBody } from "./api_error.ts";
export type { Limits } from "./limits.ts";
export type { Cell, Label } from "./predict_request.ts";
