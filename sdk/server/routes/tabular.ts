import type { Context } from "hono";
import { isOfType, readCsvBody, targetOf } from "../content.ts";
import type { CsvBodies } from "../csv.ts";
import { type PredictRequest, readPredictRequest, splitByTarget } from "../predict_request.ts";
import { answer, checkAccept, type Predictions } from "../predictions.ts";
import type { Served } from "../served.ts";
import type { ForkedClassifier, ServedClassifier } from "../served_classifier.ts";
import type { Routes, Service } from "../service.ts";

/** The answer to a prediction request. */
export interface PredictResponse extends Predictions {
  /** The model's name. */
  model: string;
  /** Milliseconds: waiting for other requests, learning, predicting. */
  timings: { waitMs: number; fitMs: number; predictMs: number };
}

/**
 * Predicts tables that come with the request: `POST /v1/tabular/predict`.
 *
 * The body is JSON, `{ train, target, rows }`, or CSV with `?target=`: rows that have a target are learned, rows
 * without one are predicted.
 *
 * @param classifier The model.
 * @param csv Reads and writes CSV. Default: JSON alone.
 * @returns The routes.
 */
export function tabularRoutes(classifier: Served<ServedClassifier>, csv?: CsvBodies): Routes {
  return (app, service): void => {
    app.post("/v1/tabular/predict", async (c) => {
      checkAccept(c, csv);
      const request = await readRequest(service, c, csv);
      const { timings, ...found } = await service.compute(
        c,
        (signal, waitMs) => predict(classifier.get().fork(), request, signal, waitMs),
        "invalid_table",
      );
      return answer(c, found, { target: request.target, csv, more: { model: service.model, timings } });
    });
  };
}

async function readRequest(
  service: Service,
  c: Context,
  csv: CsvBodies | undefined,
): Promise<PredictRequest> {
  const { limits } = service;
  if (!csv || !isOfType(c, "text/csv")) return readPredictRequest(await service.readJson(c), limits);
  const target = targetOf(c);
  const { columns } = await readCsvBody(service, c, csv, {
    maxColumns: limits.columns + 1,
    maxRows: limits.trainRows + limits.rows,
  });
  return splitByTarget(columns, target, limits);
}

async function predict(
  fork: ForkedClassifier,
  { train, labels, rows }: PredictRequest,
  signal: AbortSignal,
  waitMs: number,
) {
  try {
    const begin = performance.now();
    await fork.fit(train, labels, { signal });
    const fitted = performance.now();
    const probabilities = await fork.predictProba(rows, { signal });
    const done = performance.now();
    const timings: PredictResponse["timings"] = { waitMs, fitMs: fitted - begin, predictMs: done - fitted };
    return { classes: [...fork.classes], rows: probabilities, timings };
  } finally {
    fork.dispose();
  }
}
