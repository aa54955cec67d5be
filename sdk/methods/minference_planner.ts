/**
 * Plans of MInference: every head has one of three patterns.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { binary } from "../device/ops/binary.ts";
import { cast } from "../device/ops/cast.ts";
import { concat } from "../device/ops/concat.ts";
import { full } from "../device/ops/fill.ts";
import { gather } from "../device/ops/gather.ts";
import { slice } from "../device/ops/slice.ts";
import type { Tensor } from "../device/tensor.ts";
import { checkWhole } from "./_check_whole.ts";
import { aShape, blockSparse, type LineSettings, type SizedHead, verticalSlash } from "./minference_lists.ts";
import {
  DEFAULT_PATTERN,
  expectPattern,
  type MInferencePattern,
  type MInferencePatternName,
  type MInferenceProfile,
} from "./minference_profile.ts";
import { type Draft, type Note, type Planner, planner, type Sizes } from "./planner.ts";
import { table } from "./scores.ts";

/** Options of `minference`. */
export interface MInferenceOptions extends LineSettings {
  /** Pattern of every query head. @default vertical_and_slash with 1000 and 6096 for all */
  readonly patterns: readonly MInferencePattern[] | null;
  /** A profile of `minference.load` or `minference.calibrate`, instead of `patterns`. @default none */
  readonly profile: MInferenceProfile | null;
  /** Which layer of the profile. @default 0 */
  readonly layer: number;
  /** Layers below this one stay dense. @default 0 */
  readonly startingLayer: number;
  /** Factor of all sizes, which are cut to whole numbers. @default 1 */
  readonly ratio: number;
}

/** Official options. */
export const DEFAULTS: MInferenceOptions = {
  patterns: null,
  profile: null,
  layer: 0,
  startingLayer: 0,
  ratio: 1,
  lastQ: 64,
  forcedColumns: 30,
  forcedDiagonals: 100,
  blockSize: 64,
};

const LEAST = { layer: 0, startingLayer: 0, lastQ: 1, forcedColumns: 0, forcedDiagonals: 1, blockSize: 1 };

/** No band: a window that nothing leaves. */
const ALL = 2 ** 31 - 1;

/**
 * A planner with checked options.
 *
 * Inspection: `verticalScore`, `slashScore`, `verticalIdx`, `slashIdx` of the vertical-slash heads; `pooledScore`, `blockMask` of the block-sparse
 * heads; `tiles` and `columns` of all heads, -1 where there are none.
 */
export function minferencePlanner(options: MInferenceOptions): Planner {
  const { profile, layer, startingLayer } = options;
  checkOptions(options);
  return planner("minference", (d, q, k, sizes, note) => {
    const heads = patternsOf(options, sizes.heads);
    const lines = heads.every(({ name }) => name === "vertical_and_slash");
    const all = lines && sizes.lk <= options.forcedDiagonals;
    if (all || sizes.heads === 0 || sizes.lq > sizes.lk || (profile && layer < startingLayer)) return "dense";
    return draft(d, q, k, sizes, options, heads, note);
  });
}

interface NamedHead extends SizedHead {
  readonly name: MInferencePatternName;
}

function draft(
  d: Device,
  q: Tensor,
  k: Tensor,
  sizes: Sizes,
  options: MInferenceOptions,
  heads: readonly NamedHead[],
  note: Note,
): Draft {
  const { lq, lk } = sizes;
  const { blockSize } = options;
  const blocks = Math.ceil(lq / blockSize);
  const of = (wanted: MInferencePatternName): NamedHead[] => heads.filter(({ name }) => name === wanted);
  const [lineHeads, blockHeads, shapeHeads] = [
    of("vertical_and_slash"),
    of("block_sparse"),
    of("stream_llm"),
  ];
  const merged = lineHeads.length > 0 ? verticalSlash(d, q, k, sizes, lineHeads, options, note) : undefined;
  const tiles = [
    ...(merged ? [merged.tiles] : []),
    ...(blockHeads.length > 0 ? [blockSparse(d, q, k, sizes, blockHeads, options, note)] : []),
    ...(shapeHeads.length > 0 ? [aShape(d, sizes, shapeHeads, options)] : []),
  ];
  const widest = Math.max(...tiles.map((part) => part.shape[2]!));
  const padded = tiles.map((part) => {
    const [own, , width] = part.shape as [number, number, number];
    return width === widest ? part : concat(d, [part, table(d, [own, blocks, widest - width], () => -1)], 2);
  });
  const order = [...lineHeads, ...blockHeads, ...shapeHeads].map(({ head }) => head);
  const rowOf = (h: number): number => order.indexOf(h);
  const all = tiles.length === 1
    ? padded[0]!
    : gather(d, concat(d, padded, 0), table(d, [sizes.heads], rowOf));
  // Heads without columns read a list that is empty.
  const columns = merged && (lineHeads.length === sizes.heads ? merged.columns : gather(
    d,
    concat(d, [merged.columns, table(d, [1, blocks, merged.columns.shape[2]!], () => -1)], 0),
    table(d, [sizes.heads], (h) => Math.min(rowOf(h), lineHeads.length)),
  ));
  note("tiles", all);
  if (columns) note("columns", columns);
  const band = shapeHeads.length > 0
    ? table(d, [sizes.heads, 2], (i) => {
      const { name, a, b } = heads[i >> 1]!;
      return name === "stream_llm" ? [a, b][i & 1]! : [0, ALL][i & 1]!;
    })
    : undefined;
  const inside = merged ? withinKeys(d, all, lk) : all;
  return { blockQ: blockSize, tileK: blockSize, parts: { tiles: inside, columns, band } };
}

/** The last query block may be a part of one: its tiles that begin after the last key go. */
function withinKeys(d: Device, tiles: Tensor, lk: number): Tensor {
  const blocks = tiles.shape[1]!;
  const one = full(d, [1], 1);
  const last = cast(d, slice(d, tiles, 1, blocks - 1), "f32");
  const kept = binary(d, "mul", binary(d, "add", last, one), binary(d, "less", last, full(d, [1], lk)));
  const inside = cast(d, binary(d, "sub", kept, one), "i32");
  return blocks === 1 ? inside : concat(d, [slice(d, tiles, 1, 0, blocks - 1), inside], 1);
}

function patternsOf(options: MInferenceOptions, heads: number): NamedHead[] {
  const { patterns, profile, layer, ratio } = options;
  const known = profile?.heads ?? patterns?.length ?? heads;
  if (known !== heads) {
    throw new RangeError(
      `Cannot plan minference: there are patterns for ${known} heads but "q" has ${heads}, use the profile of this model`,
    );
  }
  return Array.from({ length: heads }, (_, head) => {
    const pattern = profile ? profile.layers[layer]![head] : patterns?.[head];
    const [name, a, b] = pattern ?? DEFAULT_PATTERN;
    const least = name === "block_sparse" ? 1 : 0;
    return { name, head, a: Math.max(least, Math.trunc(a * ratio)), b: Math.trunc(b * ratio) };
  });
}

function checkOptions(options: MInferenceOptions): void {
  const { patterns, profile, layer, ratio } = options;
  if (patterns && profile) {
    throw new TypeError(`Cannot use minference: both "patterns" and "profile" are given, expected one`);
  }
  patterns?.forEach((pattern, h) => expectPattern(`patterns[${h}]`, pattern));
  checkWhole<keyof typeof LEAST>("minference", options, LEAST);
  if (profile && layer >= profile.layers.length) {
    throw new RangeError(
      `Cannot use minference: "layer" is ${layer}, the profile has ${profile.layers.length} layers`,
    );
  }
  if (!(ratio > 0 && ratio < Infinity)) {
    throw new RangeError(`Cannot use minference: "ratio" is ${ratio}, expected a number above 0`);
  }
}
