import { Hono } from "hono/tiny";
import { ApiError } from "./api_error.ts";
import { deadline } from "./deadline.ts";
import { type Limits, withDefaults } from "./limits.ts";
import { type Cell, type Label, type PredictRequest, readPredictRequest } from "./predict_request.ts";
import { createQueue, QueueFullError } from "./queue.ts";
import { readJson } from "./read_json.ts";

/** What the handler needs of a classifier: `OrionMSPClassifier` has it. */
export interface ServedClassifier {
  /** A classifier over the same weights with a context of its own. */
  fork(): ForkedClassifier;
  /** What computes. */
  readonly device?: { readonly kind: string };
}

/** A classifier for one request. */
export interface ForkedClassifier {
  /** The classes, in the order of the probabilities. */
  readonly classes: readonly Label[];
  /** Learns a table. */
  fit(x: Record<string, Cell[]>, y: Label[], options: { signal: AbortSignal }): Promise<unknown>;
  /** Gives every row's probabilities. */
  predictProba(x: Record<string, Cell[]>, options: { signal: AbortSignal }): Promise<number[][]>;
  /** Frees the context. */
  dispose(): void;
}

/** What the handler serves, and how. */
export interface HandlerOptions {
  /**
   * A loaded classifier; each request learns in a fork of it. For a server that stays responsive while it computes,
   * load it on `openDevice({ offThread: true })`.
   */
  classifier: ServedClassifier;
  /** The name that answers carry. Default "orion-msp". */
  model?: string;
  /** Bounds on requests. */
  limits?: Partial<Limits>;
  /** Gets errors that are the server's own, for a log; clients only see that something failed. */
  onError?: (error: unknown) => void;
}

/** The answer to a prediction request. */
export interface PredictResponse {
  /** The classes as texts. */
  classes: string[];
  /** For each row its most probable class and the probability of each class. */
  predictions: { label: Label; probabilities: Record<string, number> }[];
  /** The model's name. */
  model: string;
  /** Milliseconds: waiting for other requests, learning, predicting. */
  timings: { waitMs: number; fitMs: number; predictMs: number };
}

/**
 * Makes an HTTP handler that predicts tables: `POST /v1/tabular/predict` and `GET /health`.
 *
 * Requests are computed one at a time, in order. A client that goes away stops its computation.
 *
 * @param options What to serve.
 * @returns A Hono application; `app.fetch` goes to `Deno.serve` or to Bun's default export.
 * @throws {RangeError} If a limit makes no sense.
 */
export function createHandler(options: HandlerOptions): Hono {
  const { classifier, model = "orion-msp", onError } = options;
  const limits = withDefaults(options.limits);
  const queue = createQueue(limits.waiting);
  const app = new Hono();

  app.get("/health", (c) => c.json({ status: "ok", model, device: classifier.device?.kind ?? null }));
  app.post("/v1/tabular/predict", async (c) => {
    const body = readPredictRequest(await readJson(c.req.raw, limits.bodyBytes), limits);
    const limit = deadline(c.req.raw.signal, limits.timeoutMs);
    const start = performance.now();
    try {
      const answer = await queue.run(() => predict(classifier, body, limit.signal, start), limit.signal);
      return c.json({ ...answer, model } satisfies PredictResponse);
    } catch (error) {
      if (limit.timedOut) {
        throw new ApiError(
          503,
          "timeout",
          `The answer took longer than ${limits.timeoutMs} ms; send fewer rows`,
          {
            headers: { "retry-after": "5" },
            cause: error,
          },
        );
      }
      throw limit.signal.aborted ? clientClosed(error) : error;
    } finally {
      limit.release();
    }
  });

  app.all("/health", () => methodNotAllowed("GET, HEAD"));
  app.all("/v1/tabular/predict", () => methodNotAllowed("POST"));
  app.notFound((c) =>
    new ApiError(404, "not_found", `There is nothing at ${c.req.path.slice(0, 80)}`).toResponse()
  );
  app.onError((error, c) => {
    // Reading a body fails with an engine's own error when the client goes away.
    const gone = c.req.raw.signal.aborted && !(error instanceof ApiError);
    const refusal = gone ? clientClosed(error) : toApiError(error);
    if (refusal.status >= 500 && refusal.code === "internal_error") onError?.(error);
    return refusal.toResponse();
  });
  return app;
}

async function predict(
  classifier: ServedClassifier,
  { train, labels, rows }: PredictRequest,
  signal: AbortSignal,
  start: number,
): Promise<Omit<PredictResponse, "model">> {
  const begin = performance.now();
  const fork = classifier.fork();
  try {
    await fork.fit(train, labels, { signal });
    const fitted = performance.now();
    const probabilities = await fork.predictProba(rows, { signal });
    const done = performance.now();
    const classes = fork.classes.map(String);
    return {
      classes,
      predictions: probabilities.map((row) => ({
        label: fork.classes[row.indexOf(Math.max(...row))] as Label,
        probabilities: Object.fromEntries(classes.map((name, i) => [name, row[i] as number])),
      })),
      timings: { waitMs: begin - start, fitMs: fitted - begin, predictMs: done - fitted },
    };
  } finally {
    fork.dispose();
  }
}

function methodNotAllowed(allow: string): Response {
  return new ApiError(405, "method_not_allowed", `This path answers ${allow} only`, { headers: { allow } })
    .toResponse();
}

function clientClosed(cause: unknown): ApiError {
  return new ApiError(499, "aborted", "The client closed the request", { cause });
}

function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  const options = { cause: error };
  if (error instanceof QueueFullError) {
    return new ApiError(503, "overloaded", "Too many requests wait already; try again soon", {
      ...options,
      headers: { "retry-after": "1" },
    });
  }
  // The library's own refusals of tables start like this; other errors of these classes are faults of ours.
  const refusal = error instanceof RangeError || error instanceof TypeError;
  if (refusal && error.message.startsWith("Cannot ")) {
    return new ApiError(422, "invalid_table", error.message, options);
  }
  if (error instanceof Error && error.name === "OutOfMemoryError") {
    return new ApiError(
      413,
      "out_of_memory",
      "The tables need more memory than there is; send fewer rows",
      options,
    );
  }
  return new ApiError(500, "internal_error", "The server failed to answer", options);
}
