/**
 * The plan of SparseD: prompt and generated blocks are chosen apart.
 *
 * @module
 */
import { attention } from "../attention/attention.ts";
import { tileMass } from "../attention/tile_mass.ts";
import type { Scope } from "../device/device.ts";
import { mul } from "../device/ops/binary.ts";
import { cast } from "../device/ops/cast.ts";
import { compact } from "../device/ops/compact.ts";
import { concat } from "../device/ops/concat.ts";
import { full } from "../device/ops/fill.ts";
import { mark } from "../device/ops/mark.ts";
import { slice } from "../device/ops/slice.ts";
import { topk } from "../device/ops/topk.ts";
import type { Tensor } from "../device/tensor.ts";
import { type Draft, type Note, type Planner, planner, type Sizes } from "./planner.ts";
import type { SparseDOptions } from "./sparse_d.ts";

/** What a plan of SparseD counts, in blocks. */
export interface SparseDCounts {
  /** Blocks of the sequence. */
  readonly blocks: number;
  /** The first block that begins inside the generated tokens; the last one if none does. */
  readonly firstGenerated: number;
  /** Blocks that a row keeps of all, before the generated ones among them are dropped. */
  readonly keepAll: number;
  /** Generated blocks that a row keeps. */
  readonly keepGenerated: number;
}

/** Counts the blocks of a sequence of `length` tokens, at least 1. */
export function sparseDCounts(
  length: number,
  { blockSize, select, genLen }: Pick<SparseDOptions, "blockSize" | "select" | "genLen">,
): SparseDCounts {
  const blocks = Math.ceil(length / blockSize);
  const firstGenerated = Math.min(blocks - 1, Math.max(0, Math.ceil((length - genLen) / blockSize)));
  const keep = (of: number): number => Math.min(of, Math.floor(of * select) + 1);
  return { blocks, firstGenerated, keepAll: keep(blocks), keepGenerated: keep(blocks - firstGenerated) };
}

/**
 * A planner of checked options.
 *
 * @param lse [Hq, L]: the log-sum-exp of dense attention of the same q and k, where the caller has it. @default computed
 */
export function sparseDPlanner(options: SparseDOptions, lse?: Tensor): Planner {
  return planner(
    "sparseD",
    (d, q, k, sizes, note) => draft(d, q, k, sizes, note, options, lse),
    { causal: false },
  );
}

function draft(
  d: Scope,
  q: Tensor,
  k: Tensor,
  { lq, lk }: Sizes,
  note: Note,
  options: SparseDOptions,
  lse?: Tensor,
): Draft {
  if (lq !== lk) {
    throw new RangeError(
      `Cannot plan sparseD: there are ${lq} queries and ${lk} keys, expected as many: the whole sequence`,
    );
  }
  const { blockSize } = options;
  const { blocks, firstGenerated, keepAll, keepGenerated } = sparseDCounts(lk, options);
  // A mean over a whole tile, also where the last one has fewer tokens: those are at a disadvantage.
  const perPair = full(d, [1], 1 / (blockSize * blockSize));
  const importance = (keys: Tensor, sums: Tensor): Tensor =>
    mul(d, tileMass(d, q, keys, sums, { blockQ: blockSize, tileK: blockSize }), perPair);
  const sumsOf = (keys: Tensor): Tensor => attention(d, q, keys, keys, { lse: true }).lse;

  const all = note("importanceAll", importance(k, lse ?? sumsOf(k)));
  const generated = slice(d, k, 1, firstGenerated * blockSize);
  const own = note("importanceGenerated", importance(generated, sumsOf(generated)));
  // Columns past the prompt's are not marked: what the first choice spent on them is lost.
  const mask = note(
    "blockMask",
    concat(d, [
      mark(d, topk(d, all, keepAll).indices, firstGenerated),
      mark(d, topk(d, own, keepGenerated).indices, blocks - firstGenerated),
    ], -1),
  );
  const capacity = Math.min(keepAll, firstGenerated) + keepGenerated;
  const tiles = compact(d, cast(d, mask, "i32"), { step: blockSize, capacity }).indices;
  return { blockQ: blockSize, tileK: blockSize, parts: { tiles } };
}
