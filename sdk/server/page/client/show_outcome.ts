/**
 * Shows what a run found out: the accuracy, who is taken for whom, and the predictions.
 *
 * @module
 */
/// <reference lib="dom" />
import type { Label } from "../../../cli/dependencies.ts";
import { confusionMatrix } from "../../../cli/metrics.ts";
import type { Outcome, PredictedRow } from "../../../cli/outcome.ts";
import { predictionsCsv } from "../../../cli/output.ts";
import { count, percent } from "../../../cli/report.ts";
import { download, make } from "./dom.ts";
import { showPredictions } from "./show_predictions.ts";

/** Larger matrices do not fit a page; the mistakes are listed instead. */
const MATRIX_CLASSES = 12;
const MOST_MISTAKES = 20;

/**
 * Makes the parts of a result.
 *
 * @param outcome What was found.
 * @returns The accuracy, and below it the matrix, the predictions and a button that gives them as CSV.
 */
export function showOutcome(
  outcome: Outcome,
): { readonly accuracy: HTMLElement; readonly details: HTMLElement[] } {
  const { checked, classes, accuracy, table, kind, learned, predictions } = outcome;
  const target = table.columns[table.target] ?? "";
  const right = checked.filter(({ label, actual }) => label === actual).length;
  const rows = kind === "held out" ? "that were held out" : `that lack "${target}"`;
  const save = make("button", { type: "button", class: "save" }, "Download as CSV");
  save.addEventListener("click", () => {
    const name = `${table.name.replace(/\.\w+$/, "")}-predicted.csv`;
    download(name, predictionsCsv(outcome, target), "text/csv");
  });
  return {
    accuracy: accuracyOf(accuracy, right, checked.length),
    details: [
      ...(checked.length > 0 ? [showMatrix(checked, classes, target)] : []),
      make(
        "section",
        { class: "predictions", "aria-label": "Predictions" },
        make(
          "div",
          { class: "heading" },
          make("h2", {}, "Predictions"),
          save,
          make(
            "p",
            {},
            `${count(predictions.length, "row")} ${rows}, learned from ${learned}; the least certain first.`,
          ),
        ),
        showPredictions(predictions, classes),
      ),
    ],
  };
}

/** The line with the accuracy. */
function accuracyOf(accuracy: number | null, right: number, rows: number): HTMLElement {
  return make(
    "p",
    { class: "accuracy" },
    make("strong", {}, accuracy === null ? "–" : percent(accuracy)),
    " ",
    make("span", {}, rows === 0 ? "no rows to check" : `right: ${right} of ${rows} held-out rows`),
  );
}

function showMatrix(
  checked: readonly PredictedRow[],
  classes: readonly Label[],
  target: string,
): HTMLElement {
  const actual = checked.map((row) => row.actual as Label);
  const counts = confusionMatrix(actual, checked.map(({ label }) => label), classes);
  return make(
    "section",
    { class: "confusion", "aria-label": "Confusion matrix" },
    make("h2", {}, "Who is taken for whom"),
    classes.length <= MATRIX_CLASSES ? matrixTable(counts, classes, target) : mistakeList(counts, classes),
  );
}

function matrixTable(counts: readonly number[][], classes: readonly Label[], target: string): HTMLElement {
  const body = counts.map((row, i) => {
    const sum = row.reduce((all, n) => all + n, 0);
    return make(
      "tr",
      {},
      make("th", { scope: "row" }, String(classes[i])),
      ...row.map((n, j) => {
        const cell = make("td", n === 0 ? {} : { class: i === j ? "right" : "wrong" }, String(n));
        cell.style.setProperty("--share", String(sum === 0 ? 0 : n / sum));
        return cell;
      }),
    );
  });
  const table = make(
    "table",
    { class: "matrix" },
    make("caption", {}, `Rows: the true ${target}. Columns: what was predicted.`),
    make(
      "thead",
      {},
      make(
        "tr",
        {},
        make("td", {}),
        ...classes.map((name) => make("th", { scope: "col" }, String(name))),
      ),
    ),
    make("tbody", {}, ...body),
  );
  return make(
    "div",
    { class: "wide", tabindex: "0", role: "region", "aria-label": "Confusion matrix" },
    table,
  );
}

function mistakeList(counts: readonly number[][], classes: readonly Label[]): HTMLElement {
  const mistakes = counts.flatMap((row, i) => row.map((n, j) => ({ n, i, j })))
    .filter(({ n, i, j }) => n > 0 && i !== j).sort((a, b) => b.n - a.n).slice(0, MOST_MISTAKES);
  if (mistakes.length === 0) return make("p", {}, "Nobody: there is no mistake.");
  const line = ({ n, i, j }: typeof mistakes[number]): HTMLElement =>
    make("li", {}, `${classes[i]} for ${classes[j]}: ${count(n, "row")}`);
  return make("ul", {}, ...mistakes.map(line));
}
