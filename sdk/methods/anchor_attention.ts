/**
 * AnchorAttention: single keys for groups of query blocks, chosen by their distance from an anchor.
 *
 * Zhang et al., 2025, https://arxiv.org/abs/2505.23520. The largest scores lie in the first tokens or the local window: their maximum, the
 * anchor of a query, stands for the maximum of its row, and a key that is more than theta below it cannot matter.
 *
 * @module
 */
import { planOf } from "../attention/plan.ts";
import { rowMax } from "../attention/row_max.ts";
import type { Device, Scope } from "../device/device.ts";
import { binary } from "../device/ops/binary.ts";
import { cast } from "../device/ops/cast.ts";
import { compact } from "../device/ops/compact.ts";
import { concat } from "../device/ops/concat.ts";
import { full } from "../device/ops/fill.ts";
import { groupMax, groupMean } from "../device/ops/group_mean.ts";
import { reshape } from "../device/ops/reshape.ts";
import { slice } from "../device/ops/slice.ts";
import { scoped } from "../device/scoped.ts";
import type { Tensor } from "../device/tensor.ts";
import { checkWhole } from "./_check_whole.ts";
import { type Draft, type Method, method, type Note, planner, type Sizes } from "./planner.ts";
import { headScores, table } from "./scores.ts";

/** Options of {@linkcode anchorAttention}; the defaults are those of the official code. */
export interface AnchorAttentionOptions {
  /** Queries that are pooled together, and keys per tile of the regions. @default 128 */
  readonly blockSize: number;
  /** Query blocks that share one list of keys. @default 16 */
  readonly step: number;
  /** A key is listed if its score is at most this far below the anchor, in units of scaled scores; Infinity lists all. @default 12 */
  readonly theta: number;
  /**
   * What is computed without being searched: "local" is the first block, the group itself and the block before it; "group" is the first group and
   * the group itself.
   * @default "local"
   */
  readonly regions: "local" | "group";
  /** Factor of every score. @default 1 / sqrt(D) */
  readonly scale: number | undefined;
  /** Room for keys in every list, for less memory: the earliest are kept. @default Infinity, as many as are searched */
  readonly maxStripes: number;
}

/** Scores that are held at once while keys are searched. */
const CHUNK = 1 << 23;

/**
 * Plans AnchorAttention. With fewer queries than keys (chunked prefill) blocks and groups count from the first query.
 *
 * Nothing is saved below blockSize * step keys: such plans are dense.
 *
 * @throws RangeError if an option is out of range.
 */
export const anchorAttention: Method<AnchorAttentionOptions> = method({
  defaults: {
    blockSize: 128,
    step: 16,
    theta: 12,
    regions: "local",
    scale: undefined,
    maxStripes: Infinity,
  },
  citation: {
    title: "AnchorAttention: Difference-Aware Sparse Attention with Stripe Granularity",
    url: "https://arxiv.org/abs/2505.23520",
  },
  planner(options) {
    check(options);
    return planner("anchorAttention", (d, q, k, sizes, note) => draft(d, q, k, sizes, note, options));
  },
});

function draft(
  d: Scope,
  q: Tensor,
  k: Tensor,
  sizes: Sizes,
  note: Note,
  options: AnchorAttentionOptions,
): Draft | "dense" {
  const { heads, headDim, lq, lk } = sizes;
  const { blockSize: b, step, theta, maxStripes, scale = 1 / Math.sqrt(headDim) } = options;
  const { initEnd, localStart } = regionsOf(sizes, options);
  const blocks = Math.ceil(lq / b);
  const groups = Math.ceil(blocks / step);
  const width = localStart(groups - 1);
  if (width <= initEnd) return "dense";

  const starts = Array.from({ length: blocks }, (_, n) => {
    const last = Math.min(lq, (n + 1) * b) - 1 + lk - lq;
    return [
      ...range(0, Math.min(initEnd, last + 1), b),
      ...range(localStart(Math.floor(n / step)), last + 1, b),
    ];
  });
  const tileCap = Math.max(...starts.map((list) => list.length));
  const tiles = table(d, [1, blocks, tileCap], (i) => starts[Math.floor(i / tileCap)]![i % tileCap] ?? -1);
  const shape = { heads, lq, lk, blockQ: b, tileK: b, causal: true };
  const anchor = note("anchor", rowMax(d, q, k, planOf(d, shape, { tiles }), scale));
  const anchorPool = note("anchor_pool", blockMeans(d, reshape(d, anchor, [heads, lq, 1]), b));
  const queryPool = blockMeans(d, q, b);

  const capacity = Math.min(width - initEnd, maxStripes);
  const lists = Array.from({ length: groups }, (_, g) =>
    scoped(d, (s) => {
      const [from, to] = [g * step, Math.min(blocks, (g + 1) * step)];
      const rows = slice(s, queryPool, 1, from, to);
      const anchors = slice(s, anchorPool, 1, from, to);
      const search = { from: initEnd, to: Math.max(initEnd, localStart(g)), scale, theta };
      const flags = concat(s, [
        full(s, [heads, initEnd], 0),
        ...searchKeys(s, rows, anchors, k, search),
        full(s, [heads, width - search.to], 0),
      ], 1);
      const { indices, counts } = compact(s, cast(s, flags, "i32"), { capacity });
      return { indices: reshape(s, indices, [heads, 1, capacity]), counts: reshape(s, counts, [heads, 1]) };
    }));
  note("stripe_count", concat(d, lists.map((list) => list.counts), 1));
  const columns = note("stripes", concat(d, lists.map((list) => list.indices), 1));
  const columnOf = table(d, [1, blocks], (n) => Math.floor(n / step));
  return { blockQ: b, tileK: b, parts: { tiles, columns, columnOf } };
}

/** Where the first region ends, and where the local one of a group begins; what lies between them is searched. */
function regionsOf({ lq, lk }: Sizes, { blockSize, step, regions }: AnchorAttentionOptions): {
  initEnd: number;
  localStart: (group: number) => number;
} {
  const group = blockSize * step;
  const [initEnd, before] = regions === "group" ? [group, 0] : [blockSize, blockSize];
  return { initEnd, localStart: (g) => Math.max(initEnd, lk - lq + g * group - before) };
}

/** Flags [heads, n] of the keys that any of the pooled queries [heads, blocks, D] may not leave out; in pieces that bound the memory. */
function searchKeys(
  d: Device,
  rows: Tensor,
  anchors: Tensor,
  k: Tensor,
  search: { readonly from: number; readonly to: number; readonly scale: number; readonly theta: number },
): Tensor[] {
  const [heads, blocks] = rows.shape as [number, number];
  const chunk = Math.max(1, Math.floor(CHUNK / (heads * blocks)));
  return range(search.from, search.to, chunk).map((from) =>
    scoped(d, (s) => {
      const keys = slice(s, k, 1, from, Math.min(search.to, from + chunk));
      const above = binary(s, "sub", headScores(s, rows, keys, search.scale), anchors, { axis: "rows" });
      const most = reshape(s, groupMax(s, above, blocks), [heads, keys.shape[1]!]);
      return binary(s, "greaterEqual", most, full(s, [1], -search.theta));
    })
  );
}

/** Means [heads, blocks, width] of blocks of rows; those of a last, shorter block are means over its real rows. */
function blockMeans(d: Device, x: Tensor, blockSize: number): Tensor {
  return groupMean(d, x, blockSize, { divisor: "real" });
}

function range(from: number, to: number, step: number): number[] {
  return Array.from({ length: Math.max(0, Math.ceil((to - from) / step)) }, (_, i) => from + i * step);
}

function check({ blockSize, step, theta, regions, scale, maxStripes }: AnchorAttentionOptions): void {
  checkWhole("anchorAttention", { blockSize, step }, { blockSize: 1, step: 1 });
  if (maxStripes !== Infinity) checkWhole("anchorAttention", { maxStripes }, { maxStripes: 0 });
  if (typeof theta !== "number" || Number.isNaN(theta)) {
    throw new RangeError(`Cannot use anchorAttention: "theta" is ${theta}, expected a number or Infinity`);
  }
  if (scale !== undefined && !Number.isFinite(scale)) {
    throw new RangeError(`Cannot use anchorAttention: "scale" is ${scale}, expected a finite number`);
  }
  if (regions !== "local" && regions !== "group") {
    throw new RangeError(
      `Cannot use anchorAttention: "regions" is "${regions}", expected "local" or "group"`,
    );
  }
}
