/**
 * The order of tokens in a plan of MMInference.
 *
 * Tiles are few where what is visible lies together: so tokens of a class are neighbours, and in a class those on lines, keys that many queries see
 * and queries that see many keys, come first; or tokens that slashes join are neighbours.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { binary } from "../device/ops/binary.ts";
import { concat } from "../device/ops/concat.ts";
import { full } from "../device/ops/fill.ts";
import { gather } from "../device/ops/gather.ts";
import { reshape } from "../device/ops/reshape.ts";
import { slice } from "../device/ops/slice.ts";
import { topk } from "../device/ops/topk.ts";
import { transpose } from "../device/ops/transpose.ts";
import { scoped } from "../device/scoped.ts";
import type { Tensor } from "../device/tensor.ts";
import { type Coordinates, indicesOf } from "./mminference_cells.ts";
import { table } from "./scores.ts";

/** Tokens of heads in the order of a plan; a leading axis of 1 is that of all heads. */
export interface Arranged {
  /** i32 [heads or 1, tokens]: which token it is. @default the order of positions */
  readonly order?: Tensor;
  /** i32 [heads or 1, numbers, tokens]: its coordinates, as `lineTiles` wants them. */
  readonly coordinates: Tensor;
}

/**
 * Which rows of `flags` hold the lines of a head, by kind, class of queries and class of keys; -1 where there are none. Kind 3 are numbers that tokens
 * are sorted by first.
 */
export type LineIndex = (head: number, kind: number, a: number, b: number) => number;

/** Heads of one inter-modality type, and where their lines are. */
export interface Lined {
  /** f32 [lines, Lk]. */
  readonly flags: Tensor;
  /** Heads that are placed together. */
  readonly heads: readonly number[];
  readonly lineOf: LineIndex;
}

/**
 * Arranges keys: by class, by kind 3, those on lines by rank first, by position.
 *
 * @param lined Whose lines decide. @default only classes do
 */
export function arrangeKeys(d: Device, coordinates: Coordinates, lined?: Lined): Arranged {
  const { queryClasses, keyClasses, keyClass, rank } = coordinates;
  const classes = Array.from({ length: keyClasses }, (_, b) => {
    const keys = indicesOf(keyClass, b);
    return {
      numbers: [keys, keys.map(() => b), keys.map((key) => rank[key]!)],
      // In the order of ranks flags of keys are in the order of positions.
      digits: (s: Device, { flags, heads, lineOf }: Lined) =>
        [0, 3].flatMap((kind) =>
          Array.from({ length: queryClasses }, (_, a) => {
            const own = gather(s, flags, table(s, [heads.length], (h) => lineOf(heads[h]!, kind, a, b)));
            return slice(s, own, 1, 0, keys.length);
          })
        ),
    };
  });
  return arrange(d, classes, lined);
}

/**
 * Arranges queries: by class, by kind 3, those on lines by count first, by position.
 *
 * @param lined Whose lines decide. @default only classes do
 */
export function arrangeQueries(d: Device, coordinates: Coordinates, lined?: Lined): Arranged {
  const { queryClasses, queryClass, seen } = coordinates;
  const classes = Array.from({ length: queryClasses }, (_, a) => {
    const rows = indicesOf(queryClass, a);
    const counts = seen.map((all) => rows.map((row) => all[row]!));
    return {
      numbers: [rows, rows.map(() => a), ...counts],
      digits: (s: Device, { flags, heads, lineOf }: Lined) =>
        [2, 3].flatMap((kind) =>
          counts.map((own, b) => {
            const lines = gather(s, flags, table(s, [heads.length], (h) => lineOf(heads[h]!, kind, a, b)));
            return transpose(s, gather(s, transpose(s, lines), s.tensor(own, [own.length])));
          })
        ),
    };
  });
  return arrange(d, classes, lined);
}

/** Tokens of one class. */
interface Class {
  /** Which tokens, their class, and further coordinates. */
  readonly numbers: readonly Int32Array[];
  /** f32 [heads, tokens]: what tokens are sorted by, descending; the last ones decide first. */
  digits(s: Device, lined: Lined): Tensor[];
}

function arrange(d: Device, classes: readonly Class[], lined: Lined | undefined): Arranged {
  const parts = classes.map(({ numbers, digits }) =>
    scoped(d, (s) => {
      const length = numbers[0]!.length;
      const tokens = concat(s, numbers.map((one) => s.tensor(one, [1, 1, length])), 1);
      if (!lined) return tokens;
      const two = full(s, [1], 2);
      const key = digits(s, lined).reduceRight((sum, one) =>
        binary(s, "add", binary(s, "mul", sum, two), one)
      );
      const byToken = reshape(s, transpose(s, tokens), [length, numbers.length]);
      return transpose(s, gather(s, byToken, topk(s, key, length).indices), [0, 2, 1]);
    })
  );
  const all = concat(d, parts, 2);
  const [heads, width, length] = all.shape as [number, number, number];
  const coordinates = slice(d, all, 1, 1, width);
  if (!lined && classes.length === 1) return { coordinates };
  return { order: reshape(d, slice(d, all, 1, 0, 1), [heads, length]), coordinates };
}
