import type { Context } from "hono";
import type { Hono } from "hono/tiny";
import type { Limits } from "./limits.ts";
import type { LogEvent } from "./log.ts";
import type { Metrics } from "./metrics.ts";

/** What groups of routes have in common: turns at computing, bodies, bounds, logs and figures. */
export interface Service {
  /** Bounds on requests. */
  readonly limits: Limits;
  /** The name that answers carry. */
  readonly model: string;
  /** Paths that are answered without a token; a group adds those of its own that show nothing of anyone. */
  readonly open: Set<string>;
  /**
   * Runs work when its turn comes, under the request's deadline: one request computes at a time, in order.
   *
   * @param c The request.
   * @param work Computes until its signal aborts; gets the milliseconds that it waited.
   * @param code The word for refusals of the library. Default "invalid_request".
   * @returns What the work returned.
   * @throws {ApiError} 503 or 429 with Retry-After if too many wait, 503 if the time is up or the server stops, 499 if
   * the client went away, 422 for what the library refuses, 413 if memory is short, 500 for all else.
   */
  compute<T>(
    c: Context,
    work: (signal: AbortSignal, waitMs: number) => Promise<T>,
    code?: string,
  ): Promise<T>;
  /**
   * The same for an answer that is sent event by event (server-sent events). It keeps its turn until its last event is
   * read; a comment every five seconds keeps the connection. What fails before the first event is thrown, later
   * failures become one last event `{"error": ...}`. Events are made as fast as the client reads, not faster.
   *
   * @param c The request.
   * @param produce Gives the data of each event until its signal aborts; gets the milliseconds that it waited.
   * @param code The word for refusals of the library. Default "invalid_request".
   * @returns The answer.
   * @throws {ApiError} As `compute` does.
   */
  events(
    c: Context,
    produce: (signal: AbortSignal, waitMs: number) => AsyncIterable<string>,
    code?: string,
  ): Promise<Response>;
  /**
   * Reads the body as JSON.
   *
   * @throws {ApiError} 415 if it is something else, 413 if it is too long, 408 if it does not come, 400 if it does not parse.
   */
  readJson(c: Context): Promise<unknown>;
  /**
   * Reads the body.
   *
   * @param c The request.
   * @param maxBytes The longest body. Default `limits.bodyBytes`.
   * @throws {ApiError} 413 if it is too long, 408 if it does not come in time.
   */
  readBytes(c: Context, maxBytes?: number): Promise<Uint8Array<ArrayBuffer>>;
  /** The id of a request. */
  requestId(c: Context): string;
  /** Who asks: a digest of the token, the same in every instance; "" if the server takes no tokens. */
  caller(c: Context): string;
  /** Figures. */
  readonly metrics: Metrics;
  /** Writes to the log. */
  readonly log: (event: LogEvent) => void;
  /** Gets errors that are the server's own. */
  readonly onError: (error: unknown) => void;
}

/** Adds a group of routes to an application. */
export type Routes = (app: Hono, service: Service) => void;
