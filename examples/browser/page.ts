/**
 * The page: a table is chosen, predicted on WebGPU and on WASM, and what came of both is compared.
 *
 * @module
 */
/// <reference lib="dom" />
import type { CallOptions } from "../../sdk/cli/dependencies.ts";
import type { Table } from "../../sdk/cli/table.ts";
import type { DeviceKind } from "../../sdk/device/mod.ts";
import { chooseTable } from "../../sdk/server/page/client/choose_table.ts";
import { element, say } from "../../sdk/server/page/client/dom.ts";
import { showOutcome } from "../../sdk/server/page/client/show_outcome.ts";
import { runTable, type TableRun } from "./run_table.ts";
import { clearRun, NAMES, showAgreement, showRun } from "./show_run.ts";

const DEVICES: readonly DeviceKind[] = ["webgpu", "wasm"];
const form = element("form", HTMLFormElement);
const members = element("members", HTMLSelectElement);
const predict = element("predict", HTMLButtonElement);
const stop = element("stop", HTMLButtonElement);
const status = element("status", HTMLElement);
const details = element("details", HTMLElement);
const progress = element("progress", HTMLProgressElement);

let running: AbortController | undefined;
const chooser = chooseTable(form, {
  samples: [
    { name: "iris", label: "Iris", size: "150 × 5" },
    { name: "wine", label: "Wine", size: "178 × 14" },
    { name: "breast_cancer", label: "Breast cancer", size: "569 × 31" },
  ],
  folder: "data",
  say: (text, isError) => say(status, text, isError),
  onChange(table): void {
    clear();
    predict.disabled = !table;
  },
});

/** Runs the table on every device, one after another, so that none slows another down. */
async function run(chosen: Table): Promise<void> {
  clear();
  running = new AbortController();
  setBusy(true);
  const runs: TableRun[] = [];
  for (const prefer of DEVICES) {
    say(status, `${NAMES[prefer]}: opening`);
    try {
      const follow = (label: string): CallOptions => followOn(prefer, label, running!.signal);
      const run = await runTable(chosen, { prefer, members: Number(members.value), follow });
      runs.push(run);
      showRun(prefer, run);
    } catch (error) {
      if (running.signal.aborted) break;
      showRun(prefer, error instanceof Error ? error : new Error(String(error)));
    }
  }
  const [first, second] = runs;
  if (first) details.replaceChildren(...showOutcome(first.outcome).details);
  if (first && second) showAgreement(first, second);
  const outcome = runs.length > 0 ? "Predicted" : "Cannot predict";
  say(
    status,
    running.signal.aborted ? "Stopped" : `${outcome} "${chosen.columns[chosen.target]}" of ${chosen.name}`,
  );
  setBusy(false);
}

function followOn(kind: DeviceKind, label: string, signal: AbortSignal): CallOptions {
  return {
    signal,
    onProgress({ done, total }) {
      // A GPU may still have all of it to do when the last step is queued.
      if (done < total) progress.value = done / total;
      else progress.removeAttribute("value");
      say(status, `${NAMES[kind]}: ${label}`);
    },
  };
}

function clear(): void {
  DEVICES.forEach(clearRun);
  details.replaceChildren();
  element("agreement", HTMLElement).hidden = true;
}

function setBusy(busy: boolean): void {
  chooser.lock(busy);
  predict.disabled = busy;
  members.disabled = busy;
  stop.hidden = !busy;
  progress.hidden = !busy;
  progress.removeAttribute("value");
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const table = chooser.table();
  if (table && stop.hidden) void run(table);
});
stop.addEventListener("click", () => running?.abort(new Error("Stopped")));
await chooser.start();
