/**
 * The attention block that every part of the model is made of (MultiheadAttentionBlock of the official code, SPEC 2).
 *
 * @module
 */
import {
  attend,
  type Device,
  layerNorm,
  linear,
  rope,
  scoped,
  slice,
  type Tensor,
} from "../../sdk/device/mod.ts";
import type { Block, Linear, Norm } from "./parameters.ts";

/** Rotary positions of the row sequences. */
export interface Rotation {
  /** Frequencies [headDim / 2]. */
  readonly freqs: Tensor;
}

/** What a block attends to and how. */
export interface BlockOptions {
  /** Rows [B or 1, L, width] to read; default: the block's own input. */
  readonly context?: Tensor;
  /** Keys and values of `context`, as {@linkcode projectKeys} made them: replaces `context`. */
  readonly keys?: Tensor;
  /** Only the first so many context rows are read; default all. */
  readonly visible?: number;
  /** Query i may read key j where mask [Lq, Lk] is 1. */
  readonly mask?: Tensor;
  /** Visible keys per batch entry, i32 [B]. */
  readonly lens?: Tensor;
  readonly rotation?: Rotation;
  /** Only the first so many rows of the input become queries (and outputs); default all. Self-attention only. */
  readonly queries?: number;
  readonly activation?: "gelu" | "relu";
  /** False for the post-norm form. @default true */
  readonly normFirst?: boolean;
}

/** Applies a linear layer. */
export function apply(
  d: Device,
  x: Tensor,
  layer: Linear,
  activation: "none" | "gelu" | "relu" = "none",
  residual?: Tensor,
): Tensor {
  return linear(d, x, layer.weight, { bias: layer.bias, activation, ...(residual && { residual }) });
}

/** Applies a LayerNorm. */
export function normalise(d: Device, x: Tensor, norm: Norm): Tensor {
  return layerNorm(d, x, norm.weight, norm.bias);
}

/** Keys and values [B, L, 2 * width] of context rows, rotated if asked: the part of a block that does not depend on its queries. */
export function projectKeys(d: Device, block: Block, normed: Tensor, rotation?: Rotation): Tensor {
  const kv = apply(d, normed, block.kv);
  if (rotation) rope(d, kv, rotation.freqs, { heads: block.heads, headDim: kv.shape[2]! / 2 / block.heads });
  return kv;
}

/** Queries [B, L, width] of rows x, not rotated: the part of a block before it reads. */
export function projectQueries(d: Device, block: Block, x: Tensor, normFirst = true): Tensor {
  return scoped(d, (s) => apply(s, normFirst ? normalise(s, x, block.norm1) : x, block.q));
}

/** The part of a block after it has read: its result for rows x [B, L, width], whose queries read `read`. */
export function finishBlock(
  d: Device,
  block: Block,
  x: Tensor,
  read: Tensor,
  { activation = "gelu", normFirst = true }: Pick<BlockOptions, "activation" | "normFirst"> = {},
): Tensor {
  return scoped(d, (s) => {
    const sum = apply(s, read, block.out, "none", x);
    const mixed = normFirst ? sum : normalise(s, sum, block.norm1);
    const hidden = apply(s, normFirst ? normalise(s, mixed, block.norm2) : mixed, block.ff1, activation);
    const out = apply(s, hidden, block.ff2, "none", mixed);
    return normFirst ? out : normalise(s, out, block.norm2);
  });
}

/**
 * Runs one block on x [B, L, width].
 *
 * @param x Queries and residual; a batch of 1 with a larger context batch is repeated by the caller.
 * @returns [B, queries, width].
 */
export function runBlock(d: Device, block: Block, x: Tensor, options: BlockOptions = {}): Tensor {
  const { context, rotation, normFirst = true } = options;
  return scoped(d, (s) => {
    const width = x.shape[2]!;
    const normed = normFirst ? normalise(s, x, block.norm1) : x;
    const source = context === undefined ? normed : normFirst ? normalise(s, context, block.norm1) : context;
    const kv = options.keys ?? projectKeys(s, block, source, rotation);
    const residual = firstRows(s, x, options.queries);
    const q = apply(s, firstRows(s, normed, options.queries), block.q);
    if (rotation) rope(s, q, rotation.freqs, { heads: block.heads, headDim: width / block.heads });
    const read = attend(s, q, { tensor: kv }, { tensor: kv, offset: width }, {
      heads: block.heads,
      headDim: width / block.heads,
      ...(options.mask && { mask: options.mask }),
      ...(options.lens && { lens: options.lens }),
      ...(options.visible !== undefined && { keys: options.visible }),
    });
    return finishBlock(s, block, residual, read, options);
  });
}

function firstRows(d: Device, x: Tensor, count: number | undefined): Tensor {
  return count === undefined || count === x.shape[1] ? x : slice(d, x, 1, 0, count);
}
