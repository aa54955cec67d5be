/**
 * The forward pass of a decoder: token ids to logits, through the caches of some sequences.
 *
 * @module
 */
import { attention } from "../attention/attention.ts";
import { attendCache } from "../cache/decode.ts";
import type { KVCache } from "../cache/kv_cache.ts";
import type { Device } from "../device/device.ts";
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
import type { FetchAhead } from "./forward_offloaded.ts";
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
  /** When what is offloaded is fetched. */
  readonly fetchAhead: FetchAhead;
}

/** Consecutive rows of the residual stream that are new tokens of one sequence. */
export interface Span {
  /** Rows. */
  readonly count: number;
  /** The cache of every layer; takes the new tokens. */
  readonly caches: readonly KVCache[];
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
  return scoped(d, (s) => endLayer(s, decoder, index, x, spans, beginLayer(s, decoder, index, x, spans)));
}

/**
 * The first part of a layer: what it attends with, the keys and values of which the caches take.
 *
 * @param d Receives the result.
 * @param decoder The decoder.
 * @param index The layer.
 * @param x The residual stream [n, hidden].
 * @param spans Whose tokens the rows are, in order.
 * @returns The heads of every span.
 */
export function beginLayer(
  d: Device,
  decoder: Decoder,
  index: number,
  x: Tensor,
  spans: readonly Span[],
): Heads[] {
  const { heads, kvHeads, headDim, eps } = decoder.config;
  const { attentionNorm, qkv, qNorm, kNorm } = decoder.weights.layers[index]!;
  const rows = project(d, rmsNorm(d, x, attentionNorm, { eps }), qkv);
  let first = 0;
  return spans.map(({ count, caches }) => {
    const cache = caches[index]!;
    const start = cache.length;
    const part = (from: number, number: number): Tensor =>
      headsOfRows(d, rows, { first, count, column: from * headDim, heads: number, headDim });
    const q = place(d, decoder, part(0, heads), qNorm, start);
    const k = place(d, decoder, part(heads, kvHeads), kNorm, start);
    const v = part(heads + kvHeads, kvHeads);
    cache.append(k, v);
    first += count;
    return { q, k, v };
  });
}

/**
 * The rest of a layer: attention and the gated layer.
 *
 * @param d Receives the result.
 * @param decoder The decoder.
 * @param index The layer.
 * @param x The residual stream [n, hidden] that the layer began with.
 * @param spans Whose tokens the rows are, in order.
 * @param heads What the layer attends with.
 * @returns [n, hidden].
 */
export function endLayer(
  d: Device,
  decoder: Decoder,
  index: number,
  x: Tensor,
  spans: readonly Span[],
  heads: readonly Heads[],
): Tensor {
  const { eps } = decoder.config;
  const { o, mlpNorm, gate, up, down } = decoder.weights.layers[index]!;
  const mixed = scoped(d, (s) => {
    const outs = heads.map((own, i) =>
      rowsOfHeads(s, attend(s, own, spans[i]!.caches[index]!, index, decoder.attention[index]!))
    );
    return apply(s, outs.length === 1 ? outs[0]! : concat(s, outs, 0), o, { residual: x });
  });
  return scoped(d, (s) => {
    const h = rmsNorm(s, mixed, mlpNorm, { eps });
    const open = apply(s, h, gate, { activation: "silu" });
    return apply(s, mul(s, open, apply(s, h, up)), down, { residual: mixed });
  });
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

/**
 * Queries of a layer for one new token of some sequences; from the input of an earlier layer a prediction of them.
 *
 * @param d Receives them.
 * @param decoder The decoder.
 * @param index The layer.
 * @param x The residual stream [sequences, hidden].
 * @param positions Where each token stands.
 * @param from The layer whose input `x` is: its normalisation is used, as the offloading of Double Sparsity does.
 * @returns [heads, 1, headDim] for each.
 */
export function queriesOf(
  d: Device,
  decoder: Decoder,
  index: number,
  x: Tensor,
  positions: readonly number[],
  from: number,
): Tensor[] {
  const { heads, headDim, eps } = decoder.config;
  const { qkv, qNorm } = decoder.weights.layers[index]!;
  const { attentionNorm } = decoder.weights.layers[from]!;
  const rows = project(d, rmsNorm(d, x, attentionNorm, { eps }), qkv);
  return positions.map((position, first) =>
    place(d, decoder, headsOfRows(d, rows, { first, count: 1, column: 0, heads, headDim }), qNorm, position)
  );
}

/** Normalises heads [heads, n, headDim], where that is done, and turns them to their positions. */
function place(
  d: Device,
  { config, weights }: Decoder,
  x: Tensor,
  norm: Tensor | undefined,
  start: number,
): Tensor {
  const { headDim, eps } = config;
  const normed = norm ? rmsNorm(d, x, norm, { eps }) : x;
  return rope(d, normed, weights.frequencies, { heads: 1, headDim, start, interleaved: false });
}

/** Attention of the new tokens of one sequence: [heads, n, headDim]. */
function attend(
  d: Device,
  { q, k, v }: Heads,
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
