import { type Cell, writeCsv } from "../csv/mod.ts";
import type { Label } from "./dependencies.ts";
import type { Outcome } from "./outcome.ts";

/** What `--json` prints. */
export interface JsonReport {
  /** Share of right predictions; `null` where no row has a known target. */
  accuracy: number | null;
  /** Mean log-loss; `null` where no row has a known target. */
  logLoss: number | null;
  /** The classes. */
  classes: Label[];
  /** The predicted rows: 1-based number in its table, prediction, true class if known, and probabilities by class. */
  predictions: {
    row: number;
    label: Label;
    actual: Label | null;
    probabilities: Record<string, number>;
  }[];
}

/**
 * Makes the object that `--json` prints.
 *
 * @param outcome What was found.
 * @returns The object.
 */
export function jsonReport(outcome: Outcome): JsonReport {
  const { accuracy, logLoss, classes, predictions } = outcome;
  return {
    accuracy,
    logLoss,
    classes: [...classes],
    predictions: predictions.map(({ row, label, actual, probabilities }) => ({
      row: row + 1,
      label,
      actual,
      probabilities: Object.fromEntries(classes.map((name, i) => [String(name), probabilities[i] as number])),
    })),
  };
}

/**
 * Writes the predicted rows as CSV: their cells, with the target filled where it is missing, then the prediction and
 * the probability of each class. Where rows of the training table are filled, all of its rows are written.
 *
 * @param outcome What was found.
 * @param target The target's name.
 * @returns The file's text.
 */
export function predictionsCsv(outcome: Outcome, target: string): string {
  const { table, kind, classes, predictions } = outcome;
  const own = table.target < 0 ? [...table.columns, target] : [...table.columns];
  const position = table.target < 0 ? own.length - 1 : table.target;
  const columns = [...own];
  for (const name of [`predicted ${target}`, ...classes.map((label) => `probability ${label}`)]) {
    let unique = name;
    for (let n = 2; columns.includes(unique); n++) unique = `${name} (${n})`;
    columns.push(unique);
  }
  const byRow = new Map(predictions.map((prediction) => [prediction.row, prediction]));
  const chosen = kind === "filled" ? table.rows.keys() : byRow.keys();
  const rows = chosen.map((r): Cell[] => {
    const prediction = byRow.get(r);
    const cells: Cell[] = own.map((_, c) => table.rows[r]?.[c] ?? null);
    if (!prediction) return [...cells, null, ...classes.map(() => null)];
    cells[position] ??= prediction.label;
    return [...cells, prediction.label, ...prediction.probabilities];
  });
  return writeCsv({ columns, rows });
}
