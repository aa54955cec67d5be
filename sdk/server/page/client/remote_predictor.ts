/**
 * A classifier that lives on the server.
 *
 * @module
 */
import type { Label, Predictor } from "../../../cli/dependencies.ts";
import type { Cell } from "../../../csv/mod.ts";
import type { Api } from "./api.ts";

/** What the page reads of an answer. */
interface Answer {
  readonly classes: readonly string[];
  readonly predictions: readonly { readonly probabilities: Readonly<Record<string, number>> }[];
}

/**
 * Makes a classifier that sends the rows to learn with those to predict.
 *
 * @param api The server.
 * @returns What `predictTable` takes; it cannot be saved.
 */
export function remotePredictor(api: Api): Predictor {
  let learned: { readonly x: Record<string, Cell[]>; readonly y: readonly Label[] } = { x: {}, y: [] };
  let classes: Label[] = [];
  return {
    get classes() {
      return classes;
    },
    fit(x, y): Promise<void> {
      learned = { x, y };
      return Promise.resolve();
    },
    async predictProba(x, { signal }): Promise<number[][]> {
      const { x: train, y } = learned;
      let target = "target";
      while (Object.hasOwn(train, target)) target += "_";
      const body = {
        train: rowsOf(train).map((row, i) => ({ ...row, [target]: y[i] })),
        target,
        rows: rowsOf(x),
      };
      const answer = await api.json("v1/tabular/predict", body, signal) as Answer;
      const labels = new Map(y.map((label) => [String(label), label]));
      classes = answer.classes.map((name) => labels.get(name) ?? name);
      return answer.predictions.map(({ probabilities }) =>
        answer.classes.map((name) => probabilities[name] ?? 0)
      );
    },
    save: () => Promise.reject(new Error("Cannot save a classifier that is on the server")),
  };
}

/** Turns columns into rows. */
function rowsOf(columns: Readonly<Record<string, readonly Cell[]>>): Record<string, Cell>[] {
  const entries = Object.entries(columns);
  return Array.from(
    { length: entries[0]?.[1].length ?? 0 },
    (_, r) => Object.fromEntries(entries.map(([name, cells]) => [name, finite(name, cells[r] ?? null)])),
  );
}

function finite(name: string, cell: Cell): Cell {
  if (typeof cell !== "number" || Number.isFinite(cell)) return cell;
  throw new RangeError(`Cannot send column "${name}": it has an infinite number, which JSON cannot carry`);
}
