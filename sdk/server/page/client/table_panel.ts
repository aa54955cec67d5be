/**
 * The first tab: a table is chosen and predicted by the server.
 *
 * @module
 */
/// <reference lib="dom" />
import { predictTable } from "../../../cli/outcome.ts";
import type { Table } from "../../../cli/table.ts";
import type { Api } from "./api.ts";
import { chooseTable } from "./choose_table.ts";
import { element, messageOf, say, swapButtons } from "./dom.ts";
import { remotePredictor } from "./remote_predictor.ts";
import { showOutcome } from "./show_outcome.ts";

const SAMPLES = [
  { name: "iris", label: "Iris", size: "150 × 5" },
  { name: "wine", label: "Wine", size: "178 × 14" },
];

/**
 * Brings the tab to life.
 *
 * @param api The server.
 */
export function tablePanel(api: Api): void {
  const form = element("form", HTMLFormElement);
  const predict = element("predict", HTMLButtonElement);
  const stop = element("stop", HTMLButtonElement);
  const status = element("status", HTMLElement);
  const progress = element("progress", HTMLProgressElement);
  const results = element("results", HTMLElement);
  let running: AbortController | undefined;

  const chooser = chooseTable(form, {
    samples: SAMPLES,
    folder: "samples",
    say: (text, isError) => say(status, text, isError),
    onChange(table): void {
      results.replaceChildren();
      predict.disabled = !table;
    },
  });
  const setBusy = (busy: boolean): void => {
    chooser.lock(busy);
    swapButtons(predict, stop, busy);
    progress.hidden = !busy;
  };
  const run = async (table: Table): Promise<void> => {
    const { signal } = running = new AbortController();
    results.replaceChildren();
    setBusy(true);
    say(status, "The server learns and predicts");
    try {
      const begin = performance.now();
      const outcome = await predictTable(remotePredictor(api), table, {
        follow: () => ({ signal, onProgress() {} }),
      });
      const { accuracy, details } = showOutcome(outcome);
      results.replaceChildren(accuracy, ...details);
      const seconds = ((performance.now() - begin) / 1000).toFixed(1);
      say(status, `Predicted "${table.columns[table.target]}" of ${table.name} in ${seconds} s`);
    } catch (error) {
      if (signal.aborted) say(status, "Stopped");
      else say(status, messageOf(error), true);
    } finally {
      setBusy(false);
    }
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const table = chooser.table();
    if (table && stop.hidden) void run(table);
  });
  stop.addEventListener("click", () => running?.abort(new Error("Stopped")));
  void chooser.start();
}
