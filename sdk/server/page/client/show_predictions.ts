/**
 * A list of predicted rows, with probabilities as bars.
 *
 * @module
 */
/// <reference lib="dom" />
import type { Label } from "../../../cli/dependencies.ts";
import type { PredictedRow } from "../../../cli/outcome.ts";
import { percent } from "../../../cli/report.ts";
import { make } from "./dom.ts";

/** Rows that appear at once. */
const PAGE = 12;
/** Classes that have a bar in each row; the likeliest where there are more. */
const BARS = 4;

/**
 * Makes the list.
 *
 * @param predictions The rows.
 * @param classes The classes, in the order of the probabilities.
 * @returns The list, the least certain rows first, a filter for mistakes where there is one, and a button for more rows.
 */
export function showPredictions(
  predictions: readonly PredictedRow[],
  classes: readonly Label[],
): HTMLElement {
  const body = make("tbody", {});
  const more = make("button", { type: "button" });
  const only = make("input", { type: "checkbox" });
  const sorted = predictions.toSorted((a, b) => certainty(a) - certainty(b));
  const mistakes = sorted.filter(isMistake);
  let shown = 0;

  const add = (): void => {
    const rows = only.checked ? mistakes : sorted;
    const next = rows.slice(shown, shown + PAGE);
    body.append(...next.map((row) => rowOf(row, classes)));
    shown += next.length;
    const left = rows.length - shown;
    more.hidden = left === 0;
    more.textContent = `Show ${Math.min(left, PAGE)} more of ${left}`;
  };
  more.addEventListener("click", () => {
    const first = shown;
    add();
    // The button moves away or disappears; whoever presses it goes on with what is new.
    if (more.hidden) focus(body.rows[first]);
  });
  only.addEventListener("change", () => {
    body.replaceChildren();
    shown = 0;
    add();
  });
  add();
  const filter = make("label", { class: "check" }, only, ` Only mistakes (${mistakes.length})`);
  const table = make(
    "table",
    { class: "rows" },
    make("caption", { class: "unseen" }, "Predicted rows, the least certain first"),
    make(
      "thead",
      {},
      make(
        "tr",
        {},
        ...["Row", "Predicted", "Probabilities"].map((name) => make("th", { scope: "col" }, name)),
      ),
    ),
    body,
  );
  return make("div", {}, ...(mistakes.length > 0 ? [filter] : []), table, more);
}

function certainty({ probabilities }: PredictedRow): number {
  return Math.max(...probabilities);
}

function isMistake({ actual, label }: PredictedRow): boolean {
  return actual !== null && actual !== label;
}

function rowOf(row: PredictedRow, classes: readonly Label[]): HTMLElement {
  const best = row.probabilities.map((p, i) => ({ p, name: String(classes[i]) }));
  const bars = classes.length <= BARS ? best : best.toSorted((a, b) => b.p - a.p).slice(0, BARS);
  const wrong = isMistake(row);
  return make(
    "tr",
    wrong ? { class: "mistake" } : {},
    make("th", { scope: "row" }, String(row.row + 1)),
    make(
      "td",
      {},
      make("strong", {}, String(row.label)),
      ...(wrong ? [make("small", {}, `✗ is ${row.actual}`)] : []),
    ),
    make("td", {}, ...bars.map(({ p, name }) => bar(name, p))),
  );
}

/**
 * A share as a bar, with its name and its number.
 *
 * @param name What it is of.
 * @param share From 0 to 1.
 * @returns The bar.
 */
export function bar(name: string, share: number): HTMLElement {
  const track = make("span", { class: "track", "aria-hidden": "true" }, make("span", {}));
  track.style.setProperty("--share", String(share));
  return make(
    "div",
    { class: "bar" },
    make("span", { class: "name", title: name }, name),
    " ",
    track,
    make("span", { class: "value" }, percent(share)),
  );
}

function focus(row: HTMLElement | undefined): void {
  row?.setAttribute("tabindex", "-1");
  row?.focus();
}
