/**
 * The part of the page where a table is chosen: a sample, or a file of the user's, picked or dropped.
 *
 * @module
 */
/// <reference lib="dom" />
import { count } from "../../../cli/report.ts";
import { readTable, type Table } from "../../../cli/table.ts";
import { element, make, messageOf } from "./dom.ts";

/** A table to try. */
export interface Sample {
  /** Its name for the page. */
  readonly name: string;
  /** Its name for people. */
  readonly label: string;
  /** Its size in words. */
  readonly size: string;
}

/** What the chooser needs and tells. */
export interface ChooserOptions {
  /** The tables to try; the first is taken at the start. */
  readonly samples: readonly Sample[];
  /** Where they are, beside the page. */
  readonly folder: string;
  /** Gets what happened, to be said. */
  readonly say: (text: string, isError?: boolean) => void;
  /** Is told that the table changes: there is another, or none (yet). */
  readonly onChange: (table: Table | undefined) => void;
}

/** The chooser. */
export interface TableChooser {
  /** The table, with the column that is to be predicted; nothing until there is one. */
  table(): Table | undefined;
  /** Locks it while something runs, or unlocks it. */
  lock(locked: boolean): void;
  /** Takes the sample that is checked. */
  start(): Promise<void>;
}

/** Longest file that is read at all. */
const MOST_BYTES = 64 * 2 ** 20;

const INVITATION = "choose or drop a CSV file";

/**
 * Fills the form's `#tables` and offers the columns in `#target`.
 *
 * @param form The form.
 * @param options What the chooser needs; see the fields.
 * @returns The chooser.
 */
export function chooseTable(form: HTMLFormElement, options: ChooserOptions): TableChooser {
  const { samples, folder, say, onChange } = options;
  const target = element("target", HTMLSelectElement);
  const own = make("small", { id: "own" }, INVITATION);
  const file = make("input", {
    type: "file",
    id: "file",
    accept: ".csv,.tsv,text/csv,text/tab-separated-values",
  });
  const ownLabel = make("label", { class: "own" }, file, make("span", {}, "Your own ", own));
  const radios = samples.map(({ name }) => make("input", { type: "radio", name: "table", value: name }));
  if (radios[0]) radios[0].defaultChecked = true;
  element("tables", HTMLElement).append(
    ...samples.map(({ label, size }, i) =>
      make("label", {}, radios[i]!, " ", make("span", {}, `${label} `, make("small", {}, size)))
    ),
    ownLabel,
  );

  let table: Table | undefined;
  let locked = false;
  /** Number of the last table that was asked for: slower ones before it come too late. */
  let asked = 0;

  /** Reads a table and offers its columns; the last one is the likely target. */
  const take = async (name: string, read: () => Promise<ArrayBuffer>): Promise<void> => {
    const turn = ++asked;
    table = undefined;
    onChange(undefined);
    try {
      const readFile = async (): Promise<Uint8Array> => new Uint8Array(await read());
      const taken = await readTable({ readFile }, name, "");
      if (turn !== asked) return;
      table = taken;
      target.replaceChildren(...taken.columns.map((column) => new Option(column)));
      target.selectedIndex = taken.columns.length - 1;
      say(`${name}: ${count(taken.rows.length, "row")}, ${count(taken.columns.length, "column")}`);
      onChange(taken);
    } catch (error) {
      if (turn !== asked) return;
      target.replaceChildren();
      say(messageOf(error), true);
    }
  };
  const takeSample = (name: string): Promise<void> => {
    own.textContent = INVITATION;
    ownLabel.classList.remove("chosen");
    return take(`${name}.csv`, async () => {
      const response = await fetch(new URL(`${folder}/${name}.csv`, document.baseURI));
      if (!response.ok) throw new Error(`Cannot load ${name}.csv: the server answered ${response.status}`);
      return await response.arrayBuffer();
    });
  };
  const takeFile = (given: File): Promise<void> => {
    radios.forEach((radio) => radio.checked = false);
    own.textContent = given.name;
    ownLabel.classList.add("chosen");
    return take(given.name, async () => {
      if (given.size <= MOST_BYTES) return await given.arrayBuffer();
      throw new RangeError(`${given.name} has ${Math.ceil(given.size / 2 ** 20)} MiB: expected at most 64`);
    });
  };

  form.addEventListener("change", ({ target: changed }) => {
    if (!(changed instanceof HTMLInputElement)) return;
    const given = changed.files?.[0];
    if (given) void takeFile(given);
    else if (changed.name === "table") void takeSample(changed.value);
  });
  for (const type of ["dragover", "dragleave", "drop"] as const) {
    addEventListener(type, (event) => {
      event.preventDefault();
      form.classList.toggle("dragging", type === "dragover" && !locked);
      const given = event.dataTransfer?.files[0];
      if (type === "drop" && given && !locked) void takeFile(given);
    });
  }
  return {
    table: () => table && { ...table, target: target.selectedIndex },
    lock(now): void {
      locked = now;
      for (const control of [...radios, file, target]) control.disabled = now;
    },
    async start() {
      const checked = radios.find((radio) => radio.checked);
      if (checked) await takeSample(checked.value);
    },
  };
}
