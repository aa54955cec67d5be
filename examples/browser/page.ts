/**
 * The page: a table is chosen, predicted on WebGPU and on WASM, and what came of both is compared.
 *
 * @module
 */
/// <reference lib="dom" />
import type { CallOptions } from "../../sdk/cli/dependencies.ts";
import { count } from "../../sdk/cli/report.ts";
import { readTable, type Table } from "../../sdk/cli/table.ts";
import type { DeviceKind } from "../../sdk/device/mod.ts";
import { runTable, type TableRun } from "./run_table.ts";
import { clearRun, element, NAMES, showAgreement, showRun } from "./show_run.ts";

const DEVICES: readonly DeviceKind[] = ["webgpu", "wasm"];
const form = element("form", HTMLFormElement);
const file = element("file", HTMLInputElement);
const target = element("target", HTMLSelectElement);
const members = element("members", HTMLSelectElement);
const predict = element("predict", HTMLButtonElement);
const stop = element("stop", HTMLButtonElement);
const status = element("status", HTMLElement);
const progress = element("progress", HTMLProgressElement);

let table: Table | undefined;
/** Number of the last table that was asked for: slower ones before it come too late. */
let asked = 0;
let running: AbortController | undefined;

/** Reads a table and offers its columns; the last one is the likely target. */
async function take(name: string, read: () => Promise<ArrayBuffer>): Promise<void> {
  clear();
  table = undefined;
  predict.disabled = true;
  const turn = ++asked;
  try {
    const readFile = async (): Promise<Uint8Array> => new Uint8Array(await read());
    const taken = await readTable({ readFile }, name, "");
    if (turn !== asked) return;
    table = taken;
    target.replaceChildren(...taken.columns.map((column) => new Option(column)));
    target.selectedIndex = taken.columns.length - 1;
    predict.disabled = false;
    say(`${name}: ${count(taken.rows.length, "row")}, ${count(taken.columns.length, "column")}`);
  } catch (error) {
    if (turn !== asked) return;
    target.replaceChildren();
    say(messageOf(error), true);
  }
}

function takeSample(name: string): Promise<void> {
  element("own", HTMLElement).textContent = "choose or drop a CSV file";
  file.parentElement?.classList.remove("chosen");
  return take(`${name}.csv`, async () => {
    const response = await fetch(`data/${name}.csv`);
    if (!response.ok) throw new Error(`Cannot load ${name}.csv: the server answered ${response.status}`);
    return await response.arrayBuffer();
  });
}

function takeFile(own: File): Promise<void> {
  form.querySelectorAll<HTMLInputElement>("[name=table]").forEach((radio) => radio.checked = false);
  element("own", HTMLElement).textContent = own.name;
  file.parentElement?.classList.add("chosen");
  return take(own.name, () => own.arrayBuffer());
}

/** Runs the table on every device, one after another, so that none slows another down. */
async function run(chosen: Table): Promise<void> {
  clear();
  running = new AbortController();
  setBusy(true);
  const runs: TableRun[] = [];
  for (const prefer of DEVICES) {
    say(`${NAMES[prefer]}: opening`);
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
  if (first && second) showAgreement(first, second);
  const outcome = runs.length > 0 ? "Predicted" : "Cannot predict";
  say(running.signal.aborted ? "Stopped" : `${outcome} "${target.value}" of ${chosen.name}`);
  setBusy(false);
}

function followOn(kind: DeviceKind, label: string, signal: AbortSignal): CallOptions {
  return {
    signal,
    onProgress({ done, total }) {
      // A GPU may still have all of it to do when the last step is queued.
      if (done < total) progress.value = done / total;
      else progress.removeAttribute("value");
      say(`${NAMES[kind]}: ${label}`);
    },
  };
}

function clear(): void {
  DEVICES.forEach(clearRun);
  element("agreement", HTMLElement).hidden = true;
}

function setBusy(busy: boolean): void {
  for (
    const control of [
      predict,
      file,
      target,
      members,
      ...form.querySelectorAll<HTMLInputElement>("[name=table]"),
    ]
  ) {
    control.disabled = busy;
  }
  stop.hidden = !busy;
  progress.hidden = !busy;
  progress.removeAttribute("value");
}

/** Says what happens; screen readers hear changes only. */
function say(text: string, isError = false): void {
  status.classList.toggle("error", isError);
  if (status.textContent !== text) status.textContent = text;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (table) void run({ ...table, target: target.selectedIndex });
});
stop.addEventListener("click", () => running?.abort(new Error("Stopped")));
form.addEventListener("change", (event) => {
  const { target: changed } = event;
  if (!(changed instanceof HTMLInputElement)) return;
  const own = changed.files?.[0];
  if (own) void takeFile(own);
  else if (changed.type === "radio") void takeSample(changed.value);
});
for (const type of ["dragover", "dragleave", "drop"]) {
  addEventListener(type, (event) => {
    event.preventDefault();
    form.classList.toggle("dragging", type === "dragover");
    const own = (event as DragEvent).dataTransfer?.files[0];
    if (type === "drop" && own && stop.hidden) void takeFile(own);
  });
}
await takeSample(form.querySelector<HTMLInputElement>("[name=table]:checked")?.value ?? "iris");
