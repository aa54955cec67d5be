import type { Served } from "../served.ts";
import type { ForkedClassifier, ServedClassifier } from "../served_classifier.ts";
import { type Label, type PredictRequest, readPredictRequest } from "../predict_request.ts";
import type { Routes } from "../service.ts";

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
 * Predicts tables that come with the request: `POST /v1/tabular/predict`.
 *
 * @param classifier The model.
 * @returns The routes.
 */
export function tabularRoutes(classifier: Served<ServedClassifier>): Routes {
  return (app, service): void => {
    app.post("/v1/tabular/predict", async (c) => {
      const body = readPredictRequest(await service.readJson(c), service.limits);
      const answer = await service.compute(
        c,
        (signal, waitMs) => predict(classifier.get().fork(), body, signal, waitMs),
        "invalid_table",
      );
      return c.json({ ...answer, model: service.model } satisfies PredictResponse);
    });
  };
}

async function predict(
  fork: ForkedClassifier,
  { train, labels, rows }: PredictRequest,
  signal: AbortSignal,
  waitMs: number,
): Promise<Omit<PredictResponse, "model">> {
  try {
    const begin = performance.now();
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
      timings: { waitMs, fitMs: fitted - begin, predictMs: done - fitted },
    };
  } finally {
    fork.dispose();
  }
}
