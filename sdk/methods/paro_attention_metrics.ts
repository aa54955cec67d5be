/**
 * How blocky the attention map of every head is in an order of its tokens.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { binary } from "../device/ops/binary.ts";
import { full } from "../device/ops/fill.ts";
import { reduce } from "../device/ops/reduce.ts";
import { reshape } from "../device/ops/reshape.ts";
import { slice } from "../device/ops/slice.ts";
import { transpose } from "../device/ops/transpose.ts";
import { unary } from "../device/ops/unary.ts";
import type { Tensor } from "../device/tensor.ts";
import { headScores } from "./scores.ts";

/** What is measured in tiles of picture tokens, means per query head. */
export interface TileMetrics {
  /** Share of tiles that are nearly empty. */
  readonly sparse: Float64Array;
  /** Mean of largest over mean weight. */
  readonly quant: Float64Array;
}

/** How tiles are judged. */
export interface MetricOptions {
  /** Tokens of text before the picture; blocks with text do not count. */
  readonly textLen: number;
  /** Tokens per block. */
  readonly blockSize: number;
  /** Weights below this are nothing. */
  readonly eps: number;
  /** A tile is nearly empty if this share of its weights is nothing. */
  readonly sigma: number;
}

/** Scores that are held at once. */
const CHUNK = 1 << 21;

/** The logarithm of the smallest weight that a double can hold. */
const NOTHING = -745;

/**
 * Measures the map of every query head over the complete tiles that hold no text, a few rows of blocks at a time.
 *
 * @param q [Hq, L, D] in the order.
 * @param k [Hkv, L, D] in the order.
 * @param lse [Hq, L] in the order.
 */
export async function tileMetrics(
  device: Device,
  q: Tensor,
  k: Tensor,
  lse: Tensor,
  { textLen, blockSize, eps, sigma }: MetricOptions,
): Promise<TileMetrics> {
  const [heads, length, width] = q.shape as [number, number, number];
  const group = heads / k.shape[0]!;
  const first = Math.ceil(textLen / blockSize);
  const blocks = Math.max(0, Math.floor(length / blockSize) - first);
  const [sparse, quant] = [new Float64Array(heads), new Float64Array(heads)];
  const area = blockSize * blockSize;
  const step = Math.max(1, Math.floor(CHUNK / (group * blocks * area)));
  for (let h = 0; h < heads && blocks > 0; h += group) {
    using head = device.scope();
    const keys = part(head, slice(head, k, 0, h / group, h / group + 1), first, blocks, blockSize);
    for (let n = 0; n < blocks; n += step) {
      using d = head.scope();
      const rows = Math.min(step, blocks - n);
      const own = (x: Tensor): Tensor => part(d, slice(d, x, 0, h, h + group), first + n, rows, blockSize);
      const scores = headScores(d, own(q), keys, 1 / Math.sqrt(width));
      const logs = binary(d, "sub", scores, own(lse), { axis: "rows" });
      const apart = transpose(d, reshape(d, logs, [group * rows, blockSize, blocks, blockSize]), [
        0,
        2,
        1,
        3,
      ]);
      const tiles = reshape(d, apart, [group * rows * blocks, area]);
      const few = binary(d, "less", tiles, full(d, [1], Math.log(eps)));
      const empty = binary(d, "greaterEqual", reduce(d, "sum", few), full(d, [1], sigma * area));
      // Relative to the tile's own largest weight nothing underflows.
      const most = reduce(d, "max", tiles);
      const mean = reduce(d, "mean", unary(d, "exp", binary(d, "sub", tiles, most, { axis: "rows" })));
      const some = binary(d, "greater", most, full(d, [1], NOTHING));
      const ratio = binary(d, "div", some, mean);
      const perHead = (x: Tensor): Promise<Float32Array> =>
        reduce(d, "sum", reshape(d, x, [group, rows * blocks])).read();
      for (const [sums, found] of [[sparse, await perHead(empty)], [quant, await perHead(ratio)]] as const) {
        found.forEach((sum, i) => sums[h + i]! += sum / (blocks * blocks));
      }
    }
  }
  return { sparse, quant };
}

/** The tokens of some blocks. */
function part(d: Device, x: Tensor, first: number, blocks: number, blockSize: number): Tensor {
  return slice(d, x, 1, first * blockSize, (first + blocks) * blockSize);
}
