import type { ForkedClassifier, ServedClassifier } from "./served_classifier.ts";
import type { Cell, Label } from "./tables.ts";

/** A classifier whose `fit` can be held back, and what it did. */
export interface WaitingClassifier {
  /** To be served. */
  classifier: ServedClassifier;
  /** What it learned. */
  fits: { x: Record<string, Cell[]>; y: Label[] }[];
  /** Forks that were not disposed of. */
  live: number;
  /** Computations that their signal stopped. */
  aborted: number;
}

/**
 * Makes a classifier that answers class frequencies.
 *
 * @param wait Holds `fit` back until it resolves or the signal aborts.
 * @returns The classifier.
 */
export function waitingClassifier(wait: () => Promise<unknown> = () => Promise.resolve()): WaitingClassifier {
  const self: WaitingClassifier = {
    fits: [],
    live: 0,
    aborted: 0,
    classifier: { device: { kind: "fake", report: { bytes: 1234 } }, fork },
  };
  function fork(): ForkedClassifier {
    let labels: Label[] = [];
    self.live++;
    return {
      get classes(): Label[] {
        return [...new Set(labels)].sort();
      },
      async fit(x, y, { signal }): Promise<void> {
        self.fits.push({ x, y });
        labels = y;
        const stopped = new Promise<never>((_, reject) =>
          signal.addEventListener("abort", () => {
            self.aborted++;
            reject(signal.reason);
          }, { once: true })
        );
        await Promise.race([wait(), stopped]);
      },
      predictProba(x): Promise<number[][]> {
        const row = this.classes.map((name) =>
          labels.filter((label) => label === name).length / labels.length
        );
        return Promise.resolve((Object.values(x)[0] ?? []).map(() => row));
      },
      dispose(): void {
        self.live--;
      },
    };
  }
  return self;
}

/** The body of a small request. */
export const SMALL_TABLE: string = JSON.stringify({
  train: [{ a: 1, label: "x" }, { a: 2, label: "y" }],
  target: "label",
  rows: [{ a: 1 }],
});

/** A small request. */
export const SMALL_REQUEST: RequestInit = {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: SMALL_TABLE,
};
