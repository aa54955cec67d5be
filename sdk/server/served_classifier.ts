import type { Cell, Label } from "./predict_request.ts";

/** What the handler needs of a classifier: `OrionMSPClassifier` has it. */
export interface ServedClassifier {
  /** A classifier over the same weights with a context of its own. */
  fork(): ForkedClassifier;
  /** What computes. */
  readonly device?: { readonly kind: string; readonly report?: { readonly bytes: number } };
}

/** A classifier for one request. */
export interface ForkedClassifier {
  /** The classes, in the order of the probabilities. */
  readonly classes: readonly Label[];
  /** Learns a table. */
  fit(x: Record<string, Cell[]>, y: Label[], options: { signal: AbortSignal }): Promise<unknown>;
  /** Gives every row's probabilities. */
  predictProba(x: Record<string, Cell[]>, options: { signal: AbortSignal }): Promise<number[][]>;
  /** Frees the context. */
  dispose(): void;
}
