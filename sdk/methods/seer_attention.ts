/**
 * SeerAttention: a learned gate says which blocks of the attention map matter.
 *
 * Gao et al., 2024, https://arxiv.org/abs/2410.13276.
 *
 * @module
 */
import type { Scope } from "../device/device.ts";
import { add, binary, mul } from "../device/ops/binary.ts";
import { full } from "../device/ops/fill.ts";
import { mark } from "../device/ops/mark.ts";
import { reduce } from "../device/ops/reduce.ts";
import { repeat } from "../device/ops/repeat.ts";
import { softmax } from "../device/ops/softmax.ts";
import { topk } from "../device/ops/topk.ts";
import type { Tensor } from "../device/tensor.ts";
import { type Draft, type Method, method, type Note, planner, type Sizes } from "./planner.ts";
import { flagTable, maskTiles, table } from "./scores.ts";
import { causalLens, causalMask, causalPenalty } from "./seer_attention_forward.ts";
import { SeerGate } from "./seer_attention_gate.ts";

/** Options of {@linkcode seerAttention}; the defaults are those of the official page. */
export interface SeerAttentionOptions {
  /** The trained gate of the layer, which brings the block size; needed. */
  readonly gate: SeerGate | undefined;
  /** A block is seen if its share of the gate's row is above this; from 0 to 1. Typical: 5e-4 to 5e-3. @default 5e-4 */
  readonly threshold: number;
  /** Instead of the threshold: about this fraction of the blocks, the highest of every row; above 0, at most 1. @default undefined */
  readonly nzRatio: number | undefined;
  /** Whether the last two blocks of queries see everything. @default true */
  readonly lastBlockDense: boolean;
}

/**
 * Plans SeerAttention.
 *
 * The planner's `plan(device, q, k)` reads queries and keys **before** rotary embedding; attention then runs with the rotated ones. A row whose
 * blocks are all below the threshold sees its own block. With fewer queries than keys (chunked prefill) the gate works if the difference is a
 * multiple of its block size; otherwise plans are dense.
 *
 * @throws TypeError without a gate.
 * @throws RangeError if an option is out of range; at planning, if q and k are not what the gate is made for.
 */
export const seerAttention: Method<SeerAttentionOptions> = method({
  defaults: { gate: undefined, threshold: 5e-4, nzRatio: undefined, lastBlockDense: true },
  citation: {
    title: "SeerAttention: Learning Intrinsic Sparse Attention in Your LLMs",
    url: "https://arxiv.org/abs/2410.13276",
  },
  planner(options) {
    const gate = check(options);
    return planner("seerAttention", (d, q, k, sizes, note) => draft(d, q, k, sizes, note, gate, options));
  },
});

function draft(
  d: Scope,
  q: Tensor,
  k: Tensor,
  { heads, lq, lk }: Sizes,
  note: Note,
  gate: SeerGate,
  { threshold, nzRatio, lastBlockDense }: SeerAttentionOptions,
): Draft | "dense" {
  const { blockSize } = gate.config;
  const first = (lk - lq) / blockSize;
  if (first < 0 || !Number.isInteger(first)) return "dense";

  const logits = note("gate_logits", gate.logits(d, q, k));
  const shape = logits.shape.slice(1);
  const [rows, cols] = shape as [number, number];
  const lens = causalLens(d, shape, first);
  let chosen: Tensor;
  if (nzRatio === undefined) {
    const score = note("gate_score", softmax(d, logits, { lens }));
    chosen = binary(d, "greater", score, full(d, [1], threshold));
  } else {
    const most = Math.max(1, Math.floor((1 - Math.sqrt(1 - nzRatio)) * cols));
    const { indices } = topk(d, add(d, logits, causalPenalty(d, shape, first)), most);
    const counts = table(d, [heads, rows], (i) => Math.min(most, first + i % rows + 1));
    chosen = mark(d, indices, cols, { counts });
  }
  const dense = flagTable(d, [rows, cols], (row) => lastBlockDense && first + row >= cols - 2);
  const mask = mul(d, binary(d, "max", chosen, dense), causalMask(d, shape, first));
  const empty = binary(d, "equal", reduce(d, "max", mask), full(d, [1], 0));
  const own = repeat(d, flagTable(d, [rows, cols], (row, col) => col === first + row), 0, heads);
  const whole = note("block_mask", binary(d, "max", mask, mul(d, own, empty, { axis: "rows" })));
  return { blockQ: blockSize, tileK: blockSize, parts: { tiles: maskTiles(d, whole, blockSize) } };
}

function check({ gate, threshold, nzRatio }: SeerAttentionOptions): SeerGate {
  if (!(gate instanceof SeerGate)) {
    throw new TypeError(`Cannot use seerAttention: there is no "gate", give one that is loaded or distilled`);
  }
  if (!(threshold >= 0 && threshold <= 1)) {
    throw new RangeError(
      `Cannot use seerAttention: "threshold" is ${threshold}, expected a number from 0 to 1`,
    );
  }
  if (nzRatio !== undefined && !(nzRatio > 0 && nzRatio <= 1)) {
    throw new RangeError(
      `Cannot use seerAttention: "nzRatio" is ${nzRatio}, expected a number above 0, at most 1`,
    );
  }
  return gate;
}
