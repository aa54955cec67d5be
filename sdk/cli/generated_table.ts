import { mulberry32 } from "./holdout.ts";

/** A table that is made, not measured. */
export interface GeneratedTable {
  /** Rows of numbers. */
  readonly X: number[][];
  /** The class of every row. */
  readonly y: string[];
}

/** Columns of a generated table; the last four are noise. */
const COLUMNS = 12;
const NOISE = 4;
const HIDDEN = 16;
const CLASSES = ["a", "b", "c"] as const;

/**
 * Makes a table whose classes a random network with one hidden layer tells: the class of a row is the largest output, after one in twenty rows got a class by chance.
 *
 * @param rows How many.
 * @param seed Of the network and the rows.
 * @returns The table; the first rows are the same however many there are.
 */
export function generateTable(rows: number, seed = 0): GeneratedTable {
  const next = mulberry32(seed);
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
  const matrix = (n: number, k: number): number[][] =>
    Array.from({ length: n }, () => Array.from({ length: k }, normal));
  const layer = (weights: number[][], x: readonly number[]): number[] =>
    weights.map((row) => row.reduce((sum, weight, j) => sum + weight * x[j]!, 0));
  const [first, second] = [matrix(HIDDEN, COLUMNS - NOISE), matrix(CLASSES.length, HIDDEN)];
  const X: number[][] = [];
  const y: string[] = [];
  for (let i = 0; i < rows; i++) {
    const row = Array.from({ length: COLUMNS }, normal);
    const outputs = layer(second, layer(first, row).map(Math.tanh));
    const best = outputs.indexOf(Math.max(...outputs));
    const [chance, other] = [next(), next()];
    X.push(row);
    y.push(CLASSES[chance < 0.05 ? Math.floor(other * CLASSES.length) : best]!);
  }
  return { X, y };
}
