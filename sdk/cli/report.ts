import type { Label } from "./dependencies.ts";
import { confusionMatrix } from "./metrics.ts";
import type { Outcome, PredictedRow } from "./outcome.ts";
import { printable, textTable } from "./text_table.ts";

// Wider tables do not fit a terminal; beyond these, the report lists what matters most.
const MATRIX_CLASSES = 8;
const PROBABILITY_CLASSES = 5;
const SAMPLES = 6;

/**
 * Writes what a run found as text for people: the error measured, who is taken for whom, and a few predictions.
 *
 * @param outcome What was found.
 * @param device The device in words.
 * @returns Lines, ended by a line end.
 */
export function renderReport(outcome: Outcome, device: string): string {
  const { table, kind, classes, features, learned, ignored, ms, checked, predictions } = outcome;
  const target = printable(table.columns[table.target] ?? "the target");
  const parts = [
    `${printable(table.name, 60)}: ${count(table.rows.length, "row")}, ${
      count(features.length, "feature")
    }, ` +
    `${count(classes.length, "class", "classes")} of "${target}"`,
    `Learned ${count(learned, "row")} in ${seconds(ms.fit)}, predicted ${count(predictions.length, "row")}` +
    `${ROWS[kind]} in ${seconds(ms.predict)} (${device})`,
  ];
  if (ignored > 0) parts.push(`${count(ignored, "row")} without "${target}" could not be learned`);
  parts.push("");
  if (outcome.accuracy !== null && outcome.logLoss !== null) {
    const right = checked.filter(({ actual, label }) => actual === label).length;
    parts.push(`Accuracy  ${percent(outcome.accuracy)}  (${right} of ${checked.length} rows)`);
    parts.push(`Log-loss  ${outcome.logLoss.toFixed(3)}`, "", confusion(checked, classes), "");
  }
  parts.push(samples(predictions, classes), "");
  return parts.join("\n");
}

const ROWS = { "held out": " held out", "test": "", "filled": ` that lack it` } as const;

/**
 * Formats a duration.
 *
 * @param ms Milliseconds.
 * @returns The duration in seconds or milliseconds, with its unit.
 */
export function seconds(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/**
 * Writes a number with its noun.
 *
 * @param n The number.
 * @param one The noun for one.
 * @param many The noun for others. Default: `one` and an s.
 * @returns Both.
 */
export function count(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`;
}

/**
 * Formats a share in percent.
 *
 * @param share From 0 to 1.
 * @returns The share with one digit behind the point.
 */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function confusion(checked: PredictedRow[], classes: readonly Label[]): string {
  const actual = checked.map((row) => row.actual as Label);
  const predicted = checked.map(({ label }) => label);
  const matrix = confusionMatrix(actual, predicted, classes);
  const names = classes.map(String);
  if (classes.length <= MATRIX_CLASSES) {
    return textTable(
      ["true \\ predicted", ...names],
      matrix.map((row, i) => [names[i] as string, ...row.map(String)]),
    );
  }
  const mistakes = matrix.flatMap((row, i) =>
    row.map((n, j) => ({ n, cells: [names[i] as string, names[j] as string, String(n)], wrong: i !== j }))
  ).filter(({ n, wrong }) => wrong && n > 0).sort((a, b) => b.n - a.n).slice(0, 10);
  if (mistakes.length === 0) return "No mistakes";
  return textTable(["true", "predicted", "rows"], mistakes.map(({ cells }) => cells), [
    "left",
    "left",
    "right",
  ]);
}

function samples(predictions: PredictedRow[], classes: readonly Label[]): string {
  const step = Math.max(1, predictions.length / SAMPLES);
  const shown = predictions.filter((_, i) => Math.floor(i / step) !== Math.floor((i - 1) / step)).slice(
    0,
    SAMPLES,
  );
  const known = shown.some(({ actual }) => actual !== null);
  const wide = classes.length <= PROBABILITY_CLASSES;
  const header = ["row", ...(known ? ["true"] : []), "predicted"];
  const rows = shown.map(({ row, actual, label, probabilities }) => [
    String(row + 1),
    ...(known ? [actual === null ? "" : String(actual)] : []),
    String(label),
    ...(wide ? probabilities.map((p) => p.toFixed(3)) : likeliest(probabilities, classes)),
  ]);
  const columns = wide ? classes.map((label) => `p(${printable(String(label), 18)})`) : ["1st", "2nd", "3rd"];
  const left = header.map((_, i) => i === 0 ? "right" as const : "left" as const);
  return textTable([...header, ...columns], rows, wide ? left : [...left, "left", "left", "left"]);
}

function likeliest(probabilities: number[], classes: readonly Label[]): string[] {
  return probabilities.map((p, i) => ({ p, label: String(classes[i]) }))
    .sort((a, b) => b.p - a.p).slice(0, 3)
    .map(({ p, label }) => `${printable(label, 14)} ${p.toFixed(3)}`);
}
