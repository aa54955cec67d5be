import type { Cell } from "../csv/mod.ts";
import type { CallOptions, Label, Predictor } from "./dependencies.ts";
import { stratifiedHoldout } from "./holdout.ts";
import { accuracy, logLoss } from "./metrics.ts";
import { byTarget, labelsOf, pick, quoteNames, type Table } from "./table.ts";

/** One predicted row. */
export interface PredictedRow {
  /** The row's index in its table. */
  row: number;
  /** The true class, or `null` where the table lacks it. */
  actual: Label | null;
  /** The most probable class. */
  label: Label;
  /** Probabilities in the order of the classes. */
  probabilities: number[];
}

/** What a run found out. */
export interface Outcome {
  /** The table whose rows are predicted. */
  table: Table;
  /** Which rows those are. */
  kind: "held out" | "test" | "filled";
  /** The classes. */
  classes: readonly Label[];
  /** The features' names. */
  features: string[];
  /** The predicted rows. */
  predictions: PredictedRow[];
  /** Rows with a known target that were predicted without it, to measure the error. */
  checked: PredictedRow[];
  /** Share of right predictions among the checked rows; `null` if there are none. */
  accuracy: number | null;
  /** Mean log-loss of the checked rows; `null` if there are none. */
  logLoss: number | null;
  /** Rows that the last fit learned. */
  learned: number;
  /** Rows of the training table that could not be learned, because they lack the target. */
  ignored: number;
  /** Milliseconds in `fit` and in `predictProba`. */
  ms: { fit: number; predict: number };
}

/** Makes the options of one call, for the progress bar. */
export type Follow = (label: string) => CallOptions;

/**
 * Learns a table and predicts: the rows of `test`, or else the rows that lack the target, or else a stratified quarter
 * that is held out. The last two also measure the error on the held-out quarter.
 *
 * @param predictor The classifier. After the call it has learned every row that has the target, if `keep` asks for that
 * or another table was predicted.
 * @param train The table to learn.
 * @param options `test` is the table to predict; `follow` makes options of calls; `keep` learns all rows at the end.
 * @returns What was found.
 * @throws {RangeError} If there are too few rows or columns to learn anything.
 */
export async function predictTable(
  predictor: Predictor,
  train: Table,
  options: { test?: Table | undefined; follow: Follow; keep?: boolean },
): Promise<Outcome> {
  const { test, follow, keep = false } = options;
  const target = train.columns[train.target] as string;
  const features = train.columns.filter((name) => name !== target);
  const { labelled, lacking } = byTarget(train);
  checkTable(train, features, labelled, test);

  const ms = { fit: 0, predict: 0 };
  const fit = async (rows: readonly number[]): Promise<void> => {
    const start = performance.now();
    await predictor.fit(pick(train, features, rows), labelsOf(train, rows), follow("learning"));
    ms.fit += performance.now() - start;
  };
  const predict = async (table: Table, rows: readonly number[]): Promise<PredictedRow[]> => {
    if (rows.length === 0) return [];
    const start = performance.now();
    const probabilities = await predictor.predictProba(pick(table, features, rows), follow("predicting"));
    ms.predict += performance.now() - start;
    return rows.map((row, i) => predictedRow(table, row, probabilities[i] as number[], predictor.classes));
  };
  const outcome = (
    found: Pick<Outcome, "table" | "kind" | "predictions" | "checked" | "learned">,
  ): Outcome => ({
    ...found,
    ...scores(found.checked, predictor.classes),
    classes: [...predictor.classes],
    features,
    ignored: found.kind === "filled" ? 0 : lacking.length,
    ms,
  });

  if (test) {
    await fit(labelled);
    const predictions = await predict(test, test.rows.map((_, r) => r));
    const checked = predictions.filter(({ actual }) => actual !== null);
    return outcome({ table: test, kind: "test", predictions, checked, learned: labelled.length });
  }
  const split = stratifiedHoldout(labelsOf(train, labelled));
  const held = split.test.map((i) => labelled[i] as number);
  if (held.length === 0 && lacking.length === 0) {
    throw new RangeError(
      `Cannot hold out rows of "${train.name}": every class has one row; give a --test table`,
    );
  }
  let checked: PredictedRow[] = [];
  if (held.length > 0) {
    await fit(split.train.map((i) => labelled[i] as number));
    checked = await predict(train, held);
  }
  const report = { table: train, checked };
  if (lacking.length > 0) {
    await fit(labelled);
    const predictions = await predict(train, lacking);
    return outcome({ ...report, kind: "filled", predictions, learned: labelled.length });
  }
  const result = outcome({ ...report, kind: "held out", predictions: checked, learned: split.train.length });
  if (keep) await fit(labelled);
  return result;
}

function checkTable(train: Table, features: string[], labelled: number[], test: Table | undefined): void {
  const target = train.columns[train.target] as string;
  if (features.length === 0) {
    throw new RangeError(`Cannot learn "${train.name}": it has no column besides "${target}"`);
  }
  if (labelled.length === 0) {
    throw new RangeError(`Cannot learn "${train.name}": no row has a value in column "${target}"`);
  }
  const values = new Set(labelsOf(train, labelled)).size;
  if (values > 10 && values > labelled.length / 2) {
    throw new RangeError(
      `Cannot predict "${target}": ${values} of its ${labelled.length} values differ, and a class needs two rows ` +
        "at least; choose a column of classes",
    );
  }
  if (!test) return;
  const missing = features.filter((name) => !test.columns.includes(name));
  if (missing.length > 0) {
    throw new RangeError(`Cannot predict "${test.name}": it lacks the column ${quoteNames(missing)}`);
  }
  if (test.rows.length === 0) throw new RangeError(`Cannot predict "${test.name}": it has no rows`);
}

function predictedRow(
  table: Table,
  row: number,
  probabilities: number[],
  classes: readonly Label[],
): PredictedRow {
  const best = probabilities.indexOf(Math.max(...probabilities));
  const actual: Cell = table.rows[row]?.[table.target] ?? null;
  return { row, actual, label: classes[best] as Label, probabilities };
}

function scores(checked: PredictedRow[], classes: readonly Label[]): Pick<Outcome, "accuracy" | "logLoss"> {
  if (checked.length === 0) return { accuracy: null, logLoss: null };
  const actual = checked.map((row) => row.actual as Label);
  return {
    accuracy: accuracy(actual, checked.map(({ label }) => label)),
    logLoss: logLoss(actual, checked.map(({ probabilities }) => probabilities), classes),
  };
}
