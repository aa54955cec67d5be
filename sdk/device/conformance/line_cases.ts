/**
 * Cases of the operations that turn scores into lists.
 *
 * @module
 */
import type { Random } from "../../testing/random.ts";
import { binary, type BinaryKind } from "../ops/binary.ts";
import { cast } from "../ops/cast.ts";
import { compact } from "../ops/compact.ts";
import type { Device } from "../device.ts";
import { groupMax, groupMin, groupSum } from "../ops/group_mean.ts";
import { lineSums } from "../ops/line_sums.ts";
import { lineTiles } from "../ops/line_tiles.ts";
import { mark } from "../ops/mark.ts";
import { mergeLines } from "../ops/merge_lines.ts";
import { softmax } from "../ops/softmax.ts";
import type { Tensor } from "../tensor.ts";
import type { ConformanceCase } from "./case.ts";

const SHAPES: readonly (readonly [number, number, number])[] = [
  [1, 1, 1],
  [2, 3, 7],
  [3, 16, 130],
  [2, 64, 500],
  [5, 9, 33],
];

const sumCases: readonly ConformanceCase[] = SHAPES.map(([batch, n, length]) => ({
  name: `lineSums() and softmax() with lengths of [${batch}, ${n}, ${length}]`,
  run: (d: Device, random: Random): Record<string, Tensor> => {
    const x = d.tensor(random.normals(batch * n * length), [batch, n, length]);
    const last = d.tensor(Int32Array.from({ length: n }, (_, r) => length - n + r), [n]);
    const scattered = d.tensor(random.ints(n, -3, length + 3), [n]);
    const lens = d.tensor(random.ints(n, -1, length + 2), [n]);
    const [a, b] = [lineSums(d, x, last), lineSums(d, x, scattered)];
    return {
      columns: a.columns,
      diagonals: a.diagonals,
      scatteredColumns: b.columns,
      scatteredDiagonals: b.diagonals,
      softmax: softmax(d, x, { lens, scale: 0.5 }),
      max: groupMax(d, x, 5),
      min: groupMin(d, x, 3),
      sum: groupSum(d, x, 4),
    };
  },
}));

const markCases: readonly ConformanceCase[] = SHAPES.map(([rows, k, cols]) => ({
  name: `mark() of [${rows}, ${k}] in ${cols} and compact() by steps`,
  run: (d: Device, random: Random): Record<string, Tensor> => {
    const index = d.tensor(random.ints(rows * k, -2, cols + 2), [rows, k]);
    const counts = d.tensor(random.ints(rows, -1, k + 2), [rows]);
    const flags = mark(d, index, cols);
    return {
      flags,
      counted: mark(d, index, cols, { counts }),
      starts: compact(d, cast(d, flags, "i32"), { step: 64, capacity: Math.ceil(cols / 2) }).indices,
    };
  },
}));

const KINDS: readonly BinaryKind[] = ["greater", "greaterEqual", "less", "lessEqual", "equal"];

const compareCase: ConformanceCase = {
  name: "binary() comparisons",
  run: (d, random): Record<string, Tensor> => {
    const a = d.tensor(Float32Array.from(random.ints(600, -3, 4)), [20, 30]);
    const b = d.tensor(Float32Array.from(random.ints(30, -3, 4)), [30]);
    const wide = d.tensor(Float32Array.of(Infinity, -Infinity, 0, 1), [4]);
    const other = d.tensor(Float32Array.of(Infinity, 3, -0, -Infinity), [4]);
    return Object.fromEntries(
      KINDS.flatMap((kind) => [
        [kind, binary(d, kind, a, b)],
        [`${kind} infinite`, binary(d, kind, wide, other)],
      ]),
    );
  },
};

/** Some of 0 to length - 1 in order, then -1. */
function some(random: Random, length: number, count: number, descending = false): number[] {
  const all = random.shuffle(Array.from({ length }, (_, i) => i)).slice(0, random.int(0, count + 1));
  all.sort((a, b) => descending ? b - a : a - b);
  return [...all, ...new Array(count - all.length).fill(-1)];
}

const MERGES: readonly (readonly [number, number, number, number, number])[] = [
  [1, 1, 1, 1, 4],
  [3, 50, 7, 6, 8],
  [2, 700, 90, 60, 64],
  [2, 333, 333, 333, 16],
  [4, 1000, 30, 10, 64],
];

const mergeCases: readonly ConformanceCase[] = MERGES.map(([heads, length, columns, diagonals, block]) => ({
  name:
    `mergeLines() of ${columns} columns and ${diagonals} diagonals of ${length} keys in blocks of ${block}`,
  run: (d: Device, random: Random): Record<string, Tensor> => {
    const each = (count: number, descending: boolean): Tensor => {
      const list = Array.from(
        { length: heads },
        () => some(random, length, Math.min(count, length), descending),
      );
      return d.tensor(Int32Array.from(list.flat()), [heads, Math.min(count, length)]);
    };
    const [vertical, slash] = [each(columns, false), each(diagonals, true)];
    const blocks = Math.ceil(length / block);
    const whole = mergeLines(d, vertical, slash, { block, blocks });
    const offset = Math.floor(length / 3);
    const tail = mergeLines(d, vertical, slash, {
      block,
      blocks: Math.ceil((length - offset) / block),
      offset,
    });
    return {
      tiles: whole.tiles,
      columns: whole.columns,
      tailTiles: tail.tiles,
      tailColumns: tail.columns,
      fewTiles: mergeLines(d, vertical, slash, { block, blocks, tileCap: 2 }).tiles,
    };
  },
}));

const tileCases: readonly ConformanceCase[] = [[1, 1, 1, 9, 4, 4], [2, 2, 2, 70, 16, 32], [
  3,
  1,
  3,
  130,
  64,
  40,
]].map(
  ([heads, queryClasses, keyClasses, length, blockQ, tileK]) => ({
    name:
      `lineTiles() of ${heads} heads, ${queryClasses} x ${keyClasses} classes, ${length} tokens in ${blockQ} x ${tileK}`,
    run: (d: Device, random: Random): Record<string, Tensor> => {
      const [h, A, B, L, bq, tk] = [heads!, queryClasses!, keyClasses!, length!, blockQ!, tileK!];
      const classes = Array.from({ length: L }, () => random.int(0, B));
      const seenOf = (b: number): number[] => {
        let count = -1;
        return classes.map((own) => own === b ? ++count : count);
      };
      const seen = Array.from({ length: B }, (_, b) => seenOf(b));
      const ranks = classes.map((b, j) => seen[b]![j]!);
      const queries = [classes.map((own) => own % A), ...seen].flat();
      const lines = Float32Array.from(random.ints(h * 3 * A * B * L, 0, 30), (x) => x === 0 ? 1 : 0);
      const shared = {
        queries: d.tensor(Int32Array.from(queries), [1, 1 + B, L]),
        keys: d.tensor(Int32Array.from([classes, ranks].flat()), [1, 2, L]),
        lines: d.tensor(lines, [h, 3, A, B, L]),
      };
      const occupied = lineTiles(d, shared, { blockQ: bq, tileK: tk });
      const { indices } = compact(d, occupied, { step: tk });
      return {
        occupied,
        bits: lineTiles(d, shared, { blockQ: bq, tileK: tk, tiles: indices }),
        own: lineTiles(d, {
          ...shared,
          queries: d.tensor(random.ints(h * (1 + B) * L, -1, L), [h, 1 + B, L]),
          keys: d.tensor(random.ints(h * 2 * L, -1, B), [h, 2, L]),
        }, { blockQ: bq, tileK: tk }),
      };
    },
  }),
);

/** All cases of this file. */
export const lineCases: readonly ConformanceCase[] = [
  ...sumCases,
  ...markCases,
  compareCase,
  ...mergeCases,
  ...tileCases,
];
