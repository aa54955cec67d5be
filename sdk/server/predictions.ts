import type { Context } from "hono";
import { ApiError } from "./api_error.ts";
import { wantsCsv } from "./content.ts";
import type { CsvBodies } from "./csv.ts";
import type { Label } from "./tables.ts";

/** Classes, and the probability of each for every row. */
export interface Probabilities {
  /** The classes. */
  readonly classes: readonly Label[];
  /** A list for every row, in the order of the classes. */
  readonly rows: readonly (readonly number[])[];
}

/** The prediction for one row. */
export interface Prediction {
  /** The most probable class. */
  label: Label;
  /** The probability of each class. */
  probabilities: Record<string, number>;
}

/** What the answers to all requests for predictions have in common. */
export interface Predictions {
  /** The classes as texts. */
  classes: string[];
  /** For each row its most probable class and the probability of each class. */
  predictions: Prediction[];
}

/**
 * Finds the most probable class.
 *
 * @param row The probabilities.
 * @returns The index of the first of the largest.
 */
export function mostProbable(row: readonly number[]): number {
  let best = 0;
  for (let i = 1; i < row.length; i++) if (row[i]! > row[best]!) best = i;
  return best;
}

/**
 * Answers with predictions, as JSON or, if the client wants it, as CSV: the class of each row and the probability of
 * each class, in the order of the rows.
 *
 * @param c The request.
 * @param found The predictions.
 * @param options `target` names the column of the classes, `csv` writes CSV, `more` goes with the JSON.
 * @returns The answer.
 * @throws {ApiError} 406 if the client wants CSV and the server has none.
 */
export function answer(
  c: Context,
  found: Probabilities,
  { target, csv, more }: { target: string | null; csv: CsvBodies | undefined; more: Record<string, unknown> },
): Response {
  const names = found.classes.map(String);
  if (!wantsCsv(c.req.header("accept"))) {
    const predictions = found.rows.map((row): Prediction => ({
      label: found.classes[mostProbable(row)] as Label,
      probabilities: Object.fromEntries(names.map((name, i) => [name, row[i] as number])),
    }));
    return c.json({ classes: names, predictions, ...more } satisfies Predictions);
  }
  checkAccept(c, csv);
  const text = csv!.write({
    columns: [`predicted ${target ?? "label"}`, ...names.map((name) => `probability ${name}`)],
    rows: found.rows.map((row) => [found.classes[mostProbable(row)] as Label, ...row]),
  });
  return c.body(text, 200, { "content-type": "text/csv; charset=utf-8; header=present" });
}

/**
 * Refuses a request whose answer could not be written, before anything is computed.
 *
 * @param c The request.
 * @param csv What writes CSV.
 * @throws {ApiError} 406 if the client wants CSV and the server has none.
 */
export function checkAccept(c: Context, csv: CsvBodies | undefined): void {
  if (csv || !wantsCsv(c.req.header("accept"))) return;
  throw new ApiError(406, "not_acceptable", "This server answers with application/json only");
}
