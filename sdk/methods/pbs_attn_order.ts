/**
 * PBS-Attn's order of keys, and what depends on it.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { add, binary } from "../device/ops/binary.ts";
import { cast } from "../device/ops/cast.ts";
import { concat } from "../device/ops/concat.ts";
import { full } from "../device/ops/fill.ts";
import { gather } from "../device/ops/gather.ts";
import { groupMax, groupMean } from "../device/ops/group_mean.ts";
import { mark } from "../device/ops/mark.ts";
import { repeat } from "../device/ops/repeat.ts";
import { reshape } from "../device/ops/reshape.ts";
import { slice } from "../device/ops/slice.ts";
import { softmax } from "../device/ops/softmax.ts";
import { topk } from "../device/ops/topk.ts";
import { scoped } from "../device/scoped.ts";
import type { Tensor } from "../device/tensor.ts";
import type { PbsAttnOptions } from "./pbs_attn.ts";
import type { Note, Sizes } from "./planner.ts";
import { headScores, table } from "./scores.ts";

/** The key of every slot, i32 [heads, lk]: whole segments by descending importance, the rest as it is. */
export function sortKeys(
  d: Device,
  q: Tensor,
  k: Tensor,
  sizes: Sizes,
  note: Note,
  { blockSize, segmentSize, sharePermutation }: PbsAttnOptions,
): Tensor {
  const { heads, kvHeads, lk } = sizes;
  const segments = Math.floor(lk / segmentSize);
  const whole = segments * segmentSize;
  let importance = importances(d, q, k, sizes, whole, blockSize);
  note("importance", concat(d, [importance, full(d, [heads, lk - whole], 0)], 1));
  if (sharePermutation === "kv") {
    const group = heads / kvHeads;
    const mean = groupMean(d, reshape(d, importance, [kvHeads, group, whole]), group);
    importance = reshape(d, repeat(d, mean, 1, group), [heads, whole]);
  }
  const { indices } = topk(d, reshape(d, importance, [heads, segments, segmentSize]), segmentSize);
  const offset = Float32Array.from({ length: whole }, (_, i) => i - i % segmentSize);
  const sorted = add(d, reshape(d, cast(d, indices, "f32"), [heads, whole]), d.tensor(offset, [whole]));
  const rest = table(d, [heads, lk - whole], (i) => whole + i % (lk - whole));
  return note("key_perm", concat(d, [cast(d, sorted, "i32"), rest], 1));
}

/** Mean attention [heads, whole] of the last block of queries to every key of whole segments, without a causal mask. */
function importances(
  d: Device,
  q: Tensor,
  k: Tensor,
  sizes: Sizes,
  whole: number,
  blockSize: number,
): Tensor {
  const { heads, kvHeads, lq } = sizes;
  const rows = Math.min(blockSize, lq);
  const group = heads / kvHeads;
  const last = slice(d, q, 1, lq - rows);
  // One key head at a time, for less memory.
  const parts = Array.from({ length: kvHeads }, (_, h) =>
    scoped(d, (s) => {
      const keys = slice(s, slice(s, k, 0, h, h + 1), 1, 0, whole);
      const scores = headScores(s, slice(s, last, 0, h * group, (h + 1) * group), keys, scaleOf(sizes));
      return groupMean(s, softmax(s, scores), rows);
    }));
  return reshape(d, concat(d, parts, 0), [heads, whole]);
}

/** Sums of key blocks in slot order divided by the block size, [heads, blocks, D]: a last, shorter block counts as padded with zeros. */
export function pooledKeys(
  d: Device,
  k: Tensor,
  kOrder: Tensor | undefined,
  sizes: Sizes,
  blockSize: number,
): Tensor {
  const { heads, kvHeads, headDim, lk } = sizes;
  const group = heads / kvHeads;
  if (!kOrder) {
    const pooled = groupMean(d, k, blockSize);
    return gather(d, pooled, table(d, [heads], (h) => Math.floor(h / group)));
  }
  const parts = Array.from({ length: heads }, (_, h) =>
    scoped(d, (s) => {
      const kvHead = Math.floor(h / group);
      const keys = reshape(s, slice(s, k, 0, kvHead, kvHead + 1), [lk, headDim]);
      return groupMean(s, gather(s, keys, slice(s, kOrder, 0, h, h + 1)), blockSize);
    }));
  return concat(d, parts, 0);
}

/** Flags [heads, blocks] of the block of slots that holds the first key. */
export function firstBlock(
  d: Device,
  kOrder: Tensor | undefined,
  { heads, lk }: Sizes,
  { blockSize, segmentSize }: PbsAttnOptions,
): Tensor {
  const keyBlocks = Math.ceil(lk / blockSize);
  if (!kOrder) return mark(d, table(d, [heads, 1], () => 0), keyBlocks);
  const keys = cast(d, slice(d, kOrder, 1, 0, segmentSize), "f32");
  const found = binary(d, "equal", keys, full(d, [1], 0));
  const perSegment = segmentSize / blockSize;
  const flags = reshape(d, groupMax(d, reshape(d, found, [heads, segmentSize, 1]), blockSize), [
    heads,
    perSegment,
  ]);
  return concat(d, [flags, full(d, [heads, keyBlocks - perSegment], 0)], 1);
}

/** The factor of every score. */
export function scaleOf({ headDim }: Sizes): number {
  return 1 / Math.sqrt(headDim);
}
