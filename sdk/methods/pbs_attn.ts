/**
 * PBS-Attn: keys are sorted by importance inside segments, so that heavy ones share blocks, then blocks are selected.
 *
 * Wang et al., 2025, https://arxiv.org/abs/2510.21270 (Algorithms 1 and 2).
 *
 * @module
 */
import type { Device, Scope } from "../device/device.ts";
import { binary, mul } from "../device/ops/binary.ts";
import { cast } from "../device/ops/cast.ts";
import { full } from "../device/ops/fill.ts";
import { groupMean } from "../device/ops/group_mean.ts";
import { mark } from "../device/ops/mark.ts";
import { matmul } from "../device/ops/matmul.ts";
import { reduce } from "../device/ops/reduce.ts";
import { repeat } from "../device/ops/repeat.ts";
import { reshape } from "../device/ops/reshape.ts";
import { scan } from "../device/ops/scan.ts";
import { softmax } from "../device/ops/softmax.ts";
import { topk } from "../device/ops/topk.ts";
import type { Tensor } from "../device/tensor.ts";
import { checkWhole } from "./_check_whole.ts";
import { firstBlock, pooledKeys, scaleOf, sortKeys } from "./pbs_attn_order.ts";
import { type Draft, type Method, method, type Note, planner, type Sizes } from "./planner.ts";
import { flagTable, maskTiles, table } from "./scores.ts";

/** Options of {@linkcode pbsAttn}; the defaults are those of all official runs. */
export interface PbsAttnOptions {
  /** Queries and keys per block. @default 128 */
  readonly blockSize: number;
  /** Keys that are sorted among themselves; a multiple of `blockSize`. Queries see their own segment whole. @default 256 */
  readonly segmentSize: number;
  /** Blocks are taken, largest first, until their share of the pooled softmax reaches this; from 0 to 1, and 1 takes all. @default 0.9 */
  readonly threshold: number;
  /** Whether every query sees the block that holds the first key. @default true */
  readonly forceFirstBlock: boolean;
  /**
   * Whether keys are sorted. Without it this is the baseline of the paper: blocks up to the diagonal one compete, the diagonal one is always seen.
   * @default true
   */
  readonly permute: boolean;
  /** Who sorts alike: "none", every query head for itself, or "kv", the query heads of a key head by their mean importance. @default "none" */
  readonly sharePermutation: "none" | "kv";
}

/**
 * Plans PBS-Attn. Up to `segmentSize` keys, and with more queries than keys, plans are dense. With fewer queries than keys (chunked prefill) the
 * own segments of a row block are those of its first to its last position.
 *
 * @throws RangeError if an option is out of range.
 */
export const pbsAttn: Method<PbsAttnOptions> = method({
  defaults: {
    blockSize: 128,
    segmentSize: 256,
    threshold: 0.9,
    forceFirstBlock: true,
    permute: true,
    sharePermutation: "none",
  },
  citation: {
    title: "Sparser Block-Sparse Attention via Token Permutation",
    url: "https://arxiv.org/abs/2510.21270",
  },
  planner(options) {
    check(options);
    return planner("pbsAttn", (d, q, k, sizes, note) => draft(d, q, k, sizes, note, options));
  },
});

function draft(
  d: Scope,
  q: Tensor,
  k: Tensor,
  sizes: Sizes,
  note: Note,
  options: PbsAttnOptions,
): Draft | "dense" {
  const { heads, lq, lk } = sizes;
  const { blockSize, segmentSize, threshold, forceFirstBlock, permute } = options;
  if (lk <= segmentSize || lq > lk) return "dense";
  const kOrder = permute ? sortKeys(d, q, k, sizes, note, options) : undefined;

  const { queryBlocks, keyBlocks, candidates, own } = ownBlocks(sizes, options);
  const lens = table(d, [queryBlocks], candidates);
  const flags = (entry: (row: number, col: number) => boolean): Tensor =>
    flagTable(d, [queryBlocks, keyBlocks], entry);
  const pooled = matmul(d, groupMean(d, q, blockSize), pooledKeys(d, k, kOrder, sizes, blockSize));
  const score = note("block_score", softmax(d, pooled, { lens, scale: scaleOf(sizes) }));
  // Scores that are not numbers sort anyhow: what is no candidate is taken out again.
  const taken = mul(d, selectShare(d, score, lens, threshold), flags((row, col) => col < candidates(row)));
  const selected = note("selected", taken);
  const ownMask = flags((row, col) => col >= own(row)[0] && col < own(row)[1]);
  let mask = binary(d, "max", selected, ownMask);
  if (forceFirstBlock) {
    const first = reshape(d, firstBlock(d, kOrder, sizes, options), [heads, 1, keyBlocks]);
    mask = binary(d, "max", mask, repeat(d, first, 1, queryBlocks));
  }
  note("block_mask", mask);
  const tiles = maskTiles(d, mask, blockSize);
  return { blockQ: blockSize, tileK: blockSize, parts: { tiles, kOrder } };
}

/** Which key blocks compete for a row block (the first `candidates`), and which it sees in any case (from the first to before the end). */
function ownBlocks({ lq, lk }: Sizes, { blockSize, segmentSize, permute }: PbsAttnOptions): {
  readonly queryBlocks: number;
  readonly keyBlocks: number;
  readonly candidates: (row: number) => number;
  readonly own: (row: number) => readonly [number, number];
} {
  const keyBlocks = Math.ceil(lk / blockSize);
  const unit = permute ? segmentSize : blockSize;
  const own = (row: number): [number, number] => {
    const first = row * blockSize + lk - lq;
    const last = Math.min(lq, (row + 1) * blockSize) - 1 + lk - lq;
    const perUnit = unit / blockSize;
    return [Math.floor(first / unit) * perUnit, Math.min(keyBlocks, (Math.floor(last / unit) + 1) * perUnit)];
  };
  return {
    queryBlocks: Math.ceil(lq / blockSize),
    keyBlocks,
    own,
    candidates: (row) => own(row)[permute ? 0 : 1],
  };
}

/**
 * The largest entries of every row up to and including the one whose prefix sum reaches the threshold, as flags; all candidates where none does.
 *
 * @param score [heads, rows, n]: 0 from lens[row] on.
 */
function selectShare(d: Device, score: Tensor, lens: Tensor, threshold: number): Tensor {
  const n = score.shape[2]!;
  const { values, indices } = topk(d, score, n);
  // The first entry is taken whatever the threshold: nothing comes before it.
  const limit = threshold >= 1 ? Infinity : Math.max(threshold, 1e-30);
  const before = scan(d, values, { exclusive: true });
  const taken = reduce(d, "sum", binary(d, "less", before, full(d, [1], limit)));
  const counts = cast(d, binary(d, "min", taken, cast(d, lens, "f32")), "i32");
  return mark(d, indices, n, { counts });
}

function check(options: PbsAttnOptions): void {
  const { blockSize, segmentSize, threshold, sharePermutation } = options;
  checkWhole("pbsAttn", { blockSize, segmentSize }, { blockSize: 1, segmentSize: 1 });
  if (segmentSize % blockSize !== 0) {
    throw new RangeError(
      `Cannot use pbsAttn: "segmentSize" is ${segmentSize}, expected a multiple of "blockSize" ${blockSize}`,
    );
  }
  if (!(threshold >= 0 && threshold <= 1)) {
    throw new RangeError(`Cannot use pbsAttn: "threshold" is ${threshold}, expected a number from 0 to 1`);
  }
  if (sharePermutation !== "none" && sharePermutation !== "kv") {
    throw new RangeError(
      `Cannot use pbsAttn: "sharePermutation" is "${sharePermutation}", expected "none" or "kv"`,
    );
  }
}
