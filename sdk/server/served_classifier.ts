import type { Cell, Column, Label } from "./tables.ts";

/** What the handler needs of a classifier: `OrionMSPClassifier` has it. */
export interface ServedClassifier {
  /** A classifier over the same weights with a context of its own. */
  fork(): ForkedClassifier;
  /** A classifier over the same weights with a context that `save` made; without it nothing that was learned is kept. */
  restore?(bytes: Uint8Array, options: { signal: AbortSignal }): Promise<ForkedClassifier>;
  /** What computes. */
  readonly device?: { readonly kind: string; readonly report?: { readonly bytes: number } };
}

/** A classifier for one request. */
export interface ForkedClassifier {
  /** The classes, in the order of the probabilities. */
  readonly classes: readonly Label[];
  /** The features that it learned, where it knows them. */
  readonly columns?: readonly Column[] | undefined;
  /** Learns a table. */
  fit(x: Record<string, Cell[]>, y: Label[], options: { signal: AbortSignal }): Promise<unknown>;
  /** Gives every row's probabilities. */
  predictProba(x: Record<string, Cell[]>, options: { signal: AbortSignal }): Promise<number[][]>;
  /** The fitted context as a file. */
  save?(): Promise<Uint8Array>;
  /** Frees the context. */
  dispose(): void;
}
