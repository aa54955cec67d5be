/**
 * The search of AdaSpa: which blocks hold most of the attention, and which heads may keep fewer.
 *
 * @module
 */
import { attention } from "../attention/attention.ts";
import type { Plan } from "../attention/plan.ts";
import { tileMass } from "../attention/tile_mass.ts";
import type { Device, Scope } from "../device/device.ts";
import { add, binary, mul } from "../device/ops/binary.ts";
import { cast } from "../device/ops/cast.ts";
import { concat } from "../device/ops/concat.ts";
import { full } from "../device/ops/fill.ts";
import { mark } from "../device/ops/mark.ts";
import { reduce } from "../device/ops/reduce.ts";
import { repeat } from "../device/ops/repeat.ts";
import { reshape } from "../device/ops/reshape.ts";
import { scatter } from "../device/ops/scatter.ts";
import { slice } from "../device/ops/slice.ts";
import { topk } from "../device/ops/topk.ts";
import type { Tensor } from "../device/tensor.ts";
import type { AdaSpaOptions } from "./ada_spa.ts";
import { type Draft, type Note, type Planner, planner, type PlanState, type Sizes } from "./planner.ts";
import { maskTiles } from "./scores.ts";

/** Where the video is among the blocks; the others hold text and are seen whole. */
export interface VideoBlocks {
  /** All blocks. */
  readonly blocks: number;
  /** The first block without text. */
  readonly first: number;
  /** Blocks without text. */
  readonly video: number;
}

/**
 * Counts the blocks of a sequence; one that holds a token of the text counts as text.
 *
 * @throws RangeError if the text is longer than the sequence.
 */
export function videoBlocks(
  length: number,
  { blockSize, textLen, textAt }: Pick<AdaSpaOptions, "blockSize" | "textLen" | "textAt">,
): VideoBlocks {
  if (textLen > length) {
    throw new RangeError(
      `Cannot plan adaSpa: the text has ${textLen} tokens, expected at most the ${length} of the sequence`,
    );
  }
  const blocks = Math.ceil(length / blockSize);
  const first = textAt === "start" ? Math.ceil(textLen / blockSize) : 0;
  const end = textAt === "end" && textLen > 0 ? Math.floor((length - textLen) / blockSize) : blocks;
  return { blocks, first, video: Math.max(0, end - first) };
}

/** Sparsity of heads that gain most, of the others, and of those that gain least. */
function adaSpaLevels(sparsity: number): { high: number; base: number; low: number } {
  return { high: (1 + sparsity) / 2, base: sparsity, low: Math.max(0, (3 * sparsity - 1) / 2) };
}

/** Of so many blocks how many a row keeps. */
function adaSpaKeep(sparsity: number, blocks: number): number {
  // In float64 (1 - 0.7) * 10 is a little more than 3.
  return Math.max(1, Math.min(blocks, Math.ceil((1 - sparsity) * blocks - 1e-9)));
}

/** What a search finds; the tensors belong to the device that was given. */
export interface AdaSpaFound {
  /** Which blocks every query block sees. */
  readonly plan: Plan;
  /** [Hq]: share of the mass that the base sparsity keeps. */
  readonly recall: Tensor;
  /** [Hq]: sparsity of every head. */
  readonly headSparsity: Tensor;
  /** Share of the mass that a random plan of the base sparsity would keep. */
  readonly chance: number;
}

/** A planner of checked options. */
export function adaSpaPlanner(options: AdaSpaOptions): Planner {
  return planner("adaSpa", (d, q, k, sizes, note) => {
    const { lse } = attention(d, q, k, k, { lse: true });
    return draft(d, q, k, sizes, note, options, lse);
  }, { causal: false });
}

/**
 * Searches by a log-sum-exp that the caller has.
 *
 * @param device Receives what is found.
 * @param lse [Hq, L]: of this step or of an earlier one.
 * @param inspect Receives intermediate results, as a planner's does.
 */
export function adaSpaSearch(
  device: Device,
  q: Tensor,
  k: Tensor,
  lse: Tensor,
  options: AdaSpaOptions,
  inspect?: PlanState["inspect"],
): AdaSpaFound {
  const kept = new Map<string, Tensor>();
  const own = planner("adaSpa", (d, queries, keys, sizes, note) => {
    const keep: Note = (name, tensor) => {
      kept.set(name, tensor);
      return note(name, tensor);
    };
    const made = draft(d, queries, keys, sizes, keep, options, lse);
    for (const name of ["recall", "headSparsity"]) d.keep(kept.get(name)!);
    return made;
  }, { causal: false });
  const plan = own.plan(device, q, k, inspect ? { inspect } : {});
  const [heads, length] = q.shape as [number, number];
  const { blocks, video } = videoBlocks(length, options);
  return {
    plan,
    // A sequence of no tokens is not drafted.
    recall: kept.get("recall") ?? full(device, [heads], 1),
    headSparsity: kept.get("headSparsity") ?? full(device, [heads], 0),
    chance: 1 - video * (video - adaSpaKeep(options.sparsity, video)) / Math.max(1, blocks * blocks),
  };
}

function draft(
  d: Scope,
  q: Tensor,
  k: Tensor,
  { heads, lq, lk }: Sizes,
  note: Note,
  options: AdaSpaOptions,
  lse: Tensor,
): Draft {
  if (lq !== lk) {
    throw new RangeError(
      `Cannot plan adaSpa: there are ${lq} queries and ${lk} keys, expected as many: the whole sequence`,
    );
  }
  const { blockSize, sparsity } = options;
  const { blocks, first, video } = videoBlocks(lk, options);
  const mass = note("mass", tileMass(d, q, k, lse, { blockQ: blockSize, tileK: blockSize }));
  const levels = adaSpaLevels(sparsity);
  const keep = {
    high: adaSpaKeep(levels.high, video),
    base: adaSpaKeep(levels.base, video),
    low: adaSpaKeep(levels.low, video),
  };
  const inside = slice(d, slice(d, mass, 1, first, first + video), 2, first, first + video);
  const ranked = topk(d, inside, Math.min(video, keep.low)).indices;
  /** The mask where every head keeps its own number of video blocks; f32 [Hq] counts. */
  const maskOf = (counts: Tensor): Tensor => {
    const perRow = repeat(d, reshape(d, cast(d, counts, "i32"), [heads, 1]), 1, video);
    return framed(d, mark(d, ranked, video, { counts: perRow }), blocks, first);
  };
  const base = note("baseMask", maskOf(full(d, [heads], keep.base)));
  const sums = (x: Tensor): Tensor => reduce(d, "sum", reshape(d, x, [heads, blocks * blocks]));
  const recall = note("recall", binary(d, "div", sums(mul(d, mass, base)), sums(mass)));
  const most = options.adaptHeads ? Math.floor(heads / 2) : 0;
  const passed = reduce(d, "sum", binary(d, "greater", recall, full(d, [1], options.goodRecall)));
  const adapted = note("adapted", binary(d, "min", passed, full(d, [1], most)));
  const { high, low } = outerHeads(d, recall, adapted);
  /** Of every head its level's number. */
  const byLevel = (of: { readonly high: number; readonly base: number; readonly low: number }): Tensor => {
    const shift = (flags: Tensor, value: number): Tensor => mul(d, flags, full(d, [1], value - of.base));
    return add(d, add(d, shift(high, of.high), shift(low, of.low)), full(d, [1], of.base));
  };
  note("headSparsity", byLevel(levels));
  const kept = note("headKeep", byLevel(keep));
  const mask = note("blockMask", maskOf(kept));
  return { blockQ: blockSize, tileK: blockSize, parts: { tiles: maskTiles(d, mask, blockSize) } };
}

/**
 * Flags the m heads of highest and the m of lowest recall.
 *
 * @param recall [H]; among equals the lower head counts as higher.
 * @returns f32 [H] each.
 */
function outerHeads(d: Device, recall: Tensor, m: Tensor): { readonly high: Tensor; readonly low: Tensor } {
  const heads = recall.shape[0]!;
  const { indices } = topk(d, recall, heads);
  const ranks = d.tensor(Float32Array.from({ length: heads }, (_, r) => r), [heads]);
  const byHead = (flags: Tensor): Tensor => scatter(d, flags, indices, d.empty([heads]));
  return {
    high: byHead(binary(d, "less", ranks, m)),
    low: byHead(binary(d, "greaterEqual", add(d, ranks, m), full(d, [1], heads))),
  };
}

/** Puts a mask [H, n, n] of the video into one of all blocks, whose text rows and columns are full. */
function framed(d: Device, mask: Tensor, blocks: number, first: number): Tensor {
  const [heads, video] = mask.shape as [number, number];
  if (video === blocks) return mask;
  const last = blocks - first - video;
  const ones = (rows: number, cols: number): Tensor => full(d, [heads, rows, cols], 1);
  const rows = concat(d, [ones(video, first), mask, ones(video, last)], 2);
  return concat(d, [ones(first, blocks), rows, ones(last, blocks)], 1);
}
