import { ApiError } from "./api_error.ts";
import { QueueFullError } from "./queue.ts";

/**
 * Turns an error into the answer to a request. Of errors that are the server's own the answer tells nothing.
 *
 * @param error Anything thrown.
 * @param code The word for refusals of the library: `invalid_table`.
 * @returns The refusal.
 */
export function toApiError(error: unknown, code = "invalid_request"): ApiError {
  if (error instanceof ApiError) return error;
  const options = { cause: error };
  if (error instanceof QueueFullError) {
    return new ApiError(503, "overloaded", "Too many requests wait already; try again soon", {
      ...options,
      headers: { "retry-after": "1" },
    });
  }
  const name = error instanceof Error ? error.name : "";
  // The library's own refusals start like this; other errors of these classes are faults of ours.
  const refusal = error instanceof RangeError || error instanceof TypeError;
  if (refusal && error.message.startsWith("Cannot ")) return new ApiError(422, code, error.message, options);
  if (name === "OutOfMemoryError") {
    const message = "The request needs more memory than there is; send less";
    return new ApiError(413, "out_of_memory", message, options);
  }
  if (name === "DeviceLostError") {
    const message = "What computed the answer stopped working; try again";
    return new ApiError(500, "device_lost", message, options);
  }
  return new ApiError(500, "internal_error", "The server failed to answer", options);
}

/**
 * The answer to a request whose client went away; nobody reads it.
 *
 * @param cause What was thrown.
 * @returns The refusal.
 */
export function clientClosed(cause: unknown): ApiError {
  return new ApiError(499, "aborted", "The client closed the request", { cause });
}

/**
 * The answer while the server shuts down.
 *
 * @param cause What was thrown.
 * @returns The refusal.
 */
export function stopping(cause?: unknown): ApiError {
  return new ApiError(503, "stopping", "The server is shutting down", {
    cause,
    headers: { "retry-after": "2", "connection": "close" },
  });
}

/**
 * Whether a refusal hides an error that the server's owner should see.
 *
 * @param refusal The refusal.
 * @returns Whether it does.
 */
export function isOwnFault(refusal: ApiError): boolean {
  return refusal.code === "internal_error" || refusal.code === "device_lost";
}
