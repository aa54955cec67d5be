/**
 * Tokens in the coordinates of MMInference: classes, ranks and counts.
 *
 * @module
 */
import { type MmHead, type MmInter, type MmPattern, patternOf } from "./mminference_patterns.ts";

/** What the patterns of one inter-modality type are written in; everything follows from the modalities, which the host knows. */
export interface Coordinates {
  /** Classes of queries and of keys. */
  readonly queryClasses: number;
  readonly keyClasses: number;
  /** [lq]: class of every query. */
  readonly queryClass: Int32Array;
  /** [keyClasses][lq]: how many keys of a class lie at or before every query, minus 1. */
  readonly seen: readonly Int32Array[];
  /** [lk]: class of every key. */
  readonly keyClass: Int32Array;
  /** [lk]: rank of every key in its class. */
  readonly rank: Int32Array;
}

/** One pattern of one head, between a class of queries and a class of keys. */
export interface Cell<P extends MmPattern = MmPattern> {
  readonly head: number;
  readonly pattern: P;
}

/** The cells of all heads that lie between the same queries and keys. */
export interface CellGroup {
  readonly inter: MmInter;
  /** Name of their patterns: "all", "q0", "q0k1", ... */
  readonly name: string;
  /** Class of the queries and of the keys. */
  readonly a: number;
  readonly b: number;
  /** The queries, ascending. */
  readonly rows: Int32Array;
  /** How many of the keys lie at or before each of these queries, minus 1. */
  readonly counts: Int32Array;
  /** The keys, ascending. */
  readonly keys: Int32Array;
  /** In the order of the heads. */
  readonly cells: readonly Cell[];
}

/**
 * The permutation that groups tokens by modality: a stable sort.
 *
 * @param modality The modality of every token.
 */
export function modalityOrder(modality: ArrayLike<number>): Int32Array {
  return Int32Array.from(modality, (_, i) => i).sort((i, j) => modality[i]! - modality[j]! || i - j);
}

/** The modalities that occur, ascending. */
export function modalitiesOf(modality: ArrayLike<number>): number[] {
  return [...new Set(Array.from(modality))].sort((a, b) => a - b);
}

/**
 * Classes, ranks and counts of tokens.
 *
 * @param modality The modality of every key; the queries are the last `lq` of these tokens.
 */
export function coordinatesOf(inter: MmInter, modality: ArrayLike<number>, lq: number): Coordinates {
  const lk = modality.length;
  const names = modalitiesOf(modality);
  const own = Int32Array.from(modality).map((name) => names.indexOf(name));
  const keyClass = inter === "2d" ? own : new Int32Array(lk);
  const rank = new Int32Array(lk);
  const keyClasses = inter === "2d" ? names.length : 1;
  const seen = Array.from({ length: keyClasses }, (_, b) => {
    let count = -1;
    const counts = keyClass.map((one, i) => {
      if (one === b) rank[i] = ++count;
      return count;
    });
    return counts.subarray(lk - lq);
  });
  return {
    queryClasses: inter === "none" ? 1 : names.length,
    keyClasses,
    queryClass: (inter === "none" ? keyClass : own).subarray(lk - lq),
    seen,
    keyClass,
    rank,
  };
}

/**
 * The cells of all heads, by the queries and keys that they lie between: first those of all tokens, then by query modality, then by pairs.
 *
 * @throws RangeError if a head has no pattern for queries that see keys.
 */
export function cellGroups(
  heads: readonly MmHead[],
  modality: ArrayLike<number>,
  coordinates: Readonly<Partial<Record<MmInter, Coordinates>>>,
): CellGroup[] {
  const names = modalitiesOf(modality);
  const groups: CellGroup[] = [];
  for (const inter of ["none", "q", "2d"] as const) {
    const at = coordinates[inter];
    for (let a = 0; at && a < at.queryClasses; a++) {
      for (let b = 0; b < at.keyClasses; b++) {
        const rows = indicesOf(at.queryClass, a);
        const keys = indicesOf(at.keyClass, b);
        const counts = rows.map((row) => at.seen[b]![row]!);
        if (rows.length === 0) continue;
        const name = inter === "none" ? "all" : inter === "q" ? `q${names[a]}` : `q${names[a]}k${names[b]}`;
        const cells: Cell[] = [];
        heads.forEach((config, head) => {
          if (config.inter !== inter) return;
          const pattern = patternOf(config, name);
          if (pattern) cells.push({ head, pattern });
          else if (counts.at(-1)! >= 0) {
            throw new RangeError(
              `Cannot plan mminference: head ${head} has no pattern "${name}", expected one for every modality of the prompt that queries see`,
            );
          }
        });
        groups.push({ inter, name, a, b, rows, counts, keys, cells });
      }
    }
  }
  return groups;
}

/** Where a class occurs, ascending. */
export function indicesOf(classes: Int32Array, one: number): Int32Array {
  const found = new Int32Array(classes.length);
  let count = 0;
  for (let i = 0; i < classes.length; i++) if (classes[i] === one) found[count++] = i;
  return found.slice(0, count);
}
