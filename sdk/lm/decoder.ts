/**
 * The forward pass of a decoder: token ids to logits, through the caches of some sequences.
 *
 * @module
 */
import { attention } from "../attention/attention.ts";
import { attendCache } from "../cache/decode.ts";
import type { KVCache } from "../cache/kv_cache.ts";
import type { Device, Scope } from "../device/device.ts";
import { mul } from "../device/ops/binary.ts";
import { concat } from "../device/ops/concat.ts";
import { linear, type LinearOptions } from "../device/ops/linear.ts";
import { rmsNorm } from "../device/ops/rms_norm.ts";
import { rope } from "../device/ops/rope.ts";
import { scoped } from "../device/scoped.ts";
import type { Tensor } from "../device/tensor.ts";
import type { Planner } from "../methods/planner.ts";
import type { Selector } from "../methods/selector.ts";
import type { DecoderConfig } from "./config.ts";
import type { DecoderWeights, LayerWeights, Linear } from "./decoder_weights.ts";
import { headsOfRows, rowsOfHeads } from "./heads.ts";
import { newestRows } from "./newest_rows.ts";

/** How a layer attends. */
export interface LayerAttention {
  /** How many of the newest tokens a query sees; all if left out. */
  readonly window?: number | undefined;
  /** Plans the attention of several tokens; dense if left out. */
  readonly planner?: Planner | undefined;
  /** Chooses what one token reads; everything if left out. */
  readonly select?: Selector | undefined;
}

/** A decoder on a device. */
export interface Decoder {
  /** Its sizes. */
  readonly config: DecoderConfig;
  /** Its weights. */
  readonly weights: DecoderWeights;
  /** Layer by layer. */
  readonly attention: readonly LayerAttention[];
}

/** Consecutive rows of the residual stream that are new tokens of one sequence. */
export interface Span {
  /** Rows. */
  readonly count: number;
  /** The cache of every layer; takes the new tokens. */
  readonly caches: readonly KVCache[];
  /** Takes over what the layer attends with. */
  readonly inspect?: ((heads: Heads) => void) | undefined;
}

/** What a layer attends with, positions included: of new tokens, each [heads, n, headDim]. */
export interface Heads {
  /** Queries. */
  readonly q: Tensor;
  /** Keys. */
  readonly k: Tensor;
  /** Values. */
  readonly v: Tensor;
}

/**
 * Runs one layer.
 *
 * @param d Receives the result.
 * @param decoder The decoder.
 * @param index The layer.
 * @param x The residual stream [n, hidden].
 * @param spans Whose tokens the rows are, in order.
 * @returns [n, hidden].
 */
export function runLayer(
  d: Device,
  decoder: Decoder,
  index: number,
  x: Tensor,
  spans: readonly Span[],
): Tensor {
  const { eps } = decoder.config;
  const layer = decoder.weights.layers[index]!;
  const mixed = scoped(d, (s) => {
    const rows = project(s, rmsNorm(s, x, layer.attentionNorm, { eps }), layer.qkv);
    let first = 0;
    const outs = spans.map((span) => {
      const out = attendSpan(s, decoder, index, rows, first, span);
      first += span.count;
      return out;
    });
    return apply(s, outs.length === 1 ? outs[0]! : concat(s, outs, 0), layer.o, { residual: x });
  });
  try {
    return scoped(d, (s) => {
      const h = rmsNorm(s, mixed, layer.mlpNorm, { eps });
      const gate = apply(s, h, layer.gate, { activation: "silu" });
      return apply(s, mul(s, gate, apply(s, h, layer.up)), layer.down, { residual: mixed });
    });
  } finally {
    mixed.dispose();
  }
}

/**
 * The last normalisation.
 *
 * @param d Receives the result.
 * @param decoder The decoder.
 * @param x The residual stream [n, hidden].
 * @returns [n, hidden].
 */
export function normalise(d: Device, { config, weights }: Decoder, x: Tensor): Tensor {
  return rmsNorm(d, x, weights.norm, { eps: config.eps });
}

/**
 * Logits of what follows.
 *
 * @param d Receives them.
 * @param decoder The decoder.
 * @param x Normalised rows [n, hidden].
 * @returns [n, vocab].
 */
export function logitsOf(d: Device, { weights }: Decoder, x: Tensor): Tensor {
  return linear(d, x, weights.head);
}

/** Attention of the new tokens of one sequence: [count, heads * headDim]. */
function attendSpan(
  d: Scope,
  { config, weights, attention: layers }: Decoder,
  index: number,
  rows: Tensor,
  first: number,
  { count, caches, inspect }: Span,
): Tensor {
  const { heads, kvHeads, headDim, eps } = config;
  const { qNorm, kNorm } = weights.layers[index]!;
  const cache = caches[index]!;
  const start = cache.length;
  const part = (from: number, number: number): Tensor =>
    headsOfRows(d, rows, { first, count, column: from * headDim, heads: number, headDim });
  const placed = (x: Tensor, norm: Tensor | undefined): Tensor =>
    rope(d, norm ? rmsNorm(d, x, norm, { eps }) : x, weights.frequencies, {
      heads: 1,
      headDim,
      start,
      interleaved: false,
    });
  const q = placed(part(0, heads), qNorm);
  const k = placed(part(heads, kvHeads), kNorm);
  const v = part(heads + kvHeads, kvHeads);
  cache.append(k, v);
  inspect?.({ q: d.keep(q), k: d.keep(k), v: d.keep(v) });
  return rowsOfHeads(d, attend(d, q, k, v, cache, index, layers[index]!));
}

function attend(
  d: Device,
  q: Tensor,
  k: Tensor,
  v: Tensor,
  cache: KVCache,
  layer: number,
  { window, planner, select }: LayerAttention,
): Tensor {
  const count = q.shape[1]!;
  const whole = count === cache.length;
  if (count === 1 || !(whole || planner)) return attendCache(d, q, cache, { select });
  // A prompt that is the whole cache is attended to as it is, before storage rounds anything.
  const seen = whole ? { k, v } : newestRows(d, cache, window === undefined ? Infinity : count + window - 1);
  const plan = planner?.plan(d, q, seen.k, { layer });
  const { out } = attention(d, q, seen.k, seen.v, { plan, causal: true });
  cache.compact();
  return out;
}

/** Queries, keys and values side by side. */
function project(d: Device, x: Tensor, layers: LayerWeights["qkv"]): Tensor {
  const parts = layers.map((layer) => apply(d, x, layer));
  return parts.length === 1 ? parts[0]! : concat(d, parts, -1);
}

function apply(d: Device, x: Tensor, { w, bias }: Linear, options: LinearOptions = {}): Tensor {
  return linear(d, x, w, { ...options, ...(bias && { bias }) });
}
