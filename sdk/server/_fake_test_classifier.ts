import { WeightsError } from "../device/mod.ts";
import type { ForkedClassifier, ServedClassifier } from "./served_classifier.ts";
import type { Cell, Label } from "./tables.ts";

/** A classifier for tests that counts what it does. */
export interface FakeClassifier extends ServedClassifier {
  /** Contexts that are not freed. */
  live: number;
  /** Contexts that were restored. */
  restored: number;
  /** The tables of each prediction. */
  predicted: Record<string, Cell[]>[];
  /** Resolves when predictions may go on. */
  gate: Promise<void>;
}

/**
 * Makes a classifier that answers with the frequencies of the classes among train rows with the same first cell (or
 * among all). What it saves is JSON.
 *
 * @param version The version of its files.
 * @returns The classifier.
 */
export function fakeClassifier(version = 1): FakeClassifier {
  const self: FakeClassifier = {
    live: 0,
    restored: 0,
    predicted: [],
    gate: Promise.resolve(),
    fork: () => make({ x: {}, y: [] }),
    restore(bytes): Promise<ForkedClassifier> {
      const file = JSON.parse(new TextDecoder().decode(bytes)) as { version: number; state: State };
      if (file.version !== version) {
        return Promise.reject(new WeightsError(`Cannot restore the context: its format is ${file.version}`));
      }
      self.restored++;
      return Promise.resolve(make(file.state));
    },
  };
  function make(given: State): ForkedClassifier {
    let state = given;
    self.live++;
    return {
      get classes(): Label[] {
        return [...new Set(state.y)].sort();
      },
      fit(x, y): Promise<void> {
        state = { x, y };
        return Promise.resolve();
      },
      async predictProba(x, { signal }): Promise<number[][]> {
        self.predicted.push(x);
        await self.gate;
        signal.throwIfAborted();
        const first = Object.keys(state.x)[0]!;
        return x[first]!.map((cell) => {
          const same = state.y.filter((_, i) => state.x[first]![i] === cell);
          const among = same.length > 0 ? same : state.y;
          return this.classes.map((name) => among.filter((y) => y === name).length / among.length);
        });
      },
      save: () => Promise.resolve(new TextEncoder().encode(JSON.stringify({ version, state }))),
      dispose(): void {
        self.live--;
      },
    };
  }
  return self;
}

interface State {
  x: Record<string, Cell[]>;
  y: Label[];
}
