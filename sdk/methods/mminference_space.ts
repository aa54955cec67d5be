/**
 * Patterns that the search of MMInference chooses from.
 *
 * @module
 */
import type { MmPattern } from "./mminference_patterns.ts";

/** Options of {@linkcode searchSpace}. */
export interface MMInferenceSpaceOptions {
  /** Tokens of a frame or of a row of patches, where known: grids are then tried with these strides alone, too. @default [] */
  readonly strides?: readonly number[];
  /** Largest stride that grids find by themselves. @default 1024 */
  readonly maxStride?: number;
  /** First keys that grids and vertical lines always see. @default 30 */
  readonly init?: number;
  /** Distances that grids and slashes always see. @default 100 */
  readonly local?: number;
}

/** Strides that are tried are multiples of this. */
const STEP = 16;

/** Which lines of a grid are visible: rows, columns, slashes. */
const GRIDS: readonly (readonly [hline: boolean, vline: boolean, slash: boolean])[] = [
  [true, false, false],
  [false, true, false],
  [false, false, true],
  [true, true, false],
  [false, true, true],
  [true, true, true],
];

const A_SHAPES: readonly (readonly [init: number, local: number])[] = [[128, 1024], [128, 2048], [128, 4096]];

const VERTICAL_SLASHES: readonly (readonly [nv: number, ns: number])[] = [
  [1000, 1024],
  [1000, 2048],
  [2000, 2048],
  [1000, 3096],
  [2000, 3096],
  [1000, 4096],
  [2000, 4096],
  [3500, 200],
  [1000, 2500],
];

/**
 * The search space of the paper (its Table 4). The paper leaves the free strides open, and the first keys and the local window of grids and lines: they are
 * options here.
 */
export function searchSpace(options: MMInferenceSpaceOptions = {}): MmPattern[] {
  const { strides = [], maxStride = 1024, init = 30, local = 100 } = options;
  const free = Array.from({ length: Math.floor(maxStride / STEP) }, (_, i) => (i + 1) * STEP);
  const lists = [strides, free].filter((list) => list.length > 0);
  return [
    ...lists.flatMap((strides) =>
      GRIDS.map(([hline, vline, slash]): MmPattern => ({
        type: "grid",
        strides,
        hline,
        vline,
        slash,
        init,
        local,
      }))
    ),
    ...A_SHAPES.map(([init, local]): MmPattern => ({ type: "a_shape", init, local })),
    ...VERTICAL_SLASHES.map(([nv, ns]): MmPattern => ({ type: "vertical_slash", nv, ns, init, local })),
  ];
}
