/**
 * PAROAttention in integers: queries, keys, values and weights are rounded to 8 or 4 bits, products are sums of integers.
 *
 * This is the arithmetic, composed of operations in which whole numbers lie in float32 (all sums stay exact); it computes every tile and hides those that the
 * mask leaves out, so it says what comes out, not how fast.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { add, binary, mul } from "../device/ops/binary.ts";
import { cast } from "../device/ops/cast.ts";
import { full } from "../device/ops/fill.ts";
import { gather } from "../device/ops/gather.ts";
import { groupMax } from "../device/ops/group_mean.ts";
import { reduce } from "../device/ops/reduce.ts";
import { repeat } from "../device/ops/repeat.ts";
import { reshape } from "../device/ops/reshape.ts";
import { scatter } from "../device/ops/scatter.ts";
import { slice } from "../device/ops/slice.ts";
import { transpose } from "../device/ops/transpose.ts";
import { unary } from "../device/ops/unary.ts";
import { scoped } from "../device/scoped.ts";
import type { Tensor } from "../device/tensor.ts";
import { expectGrid, orderRows, permuteHeads } from "./paro_attention_orders.ts";
import {
  FEW_BLOCKS,
  paroBlocks,
  paroMasks,
  type ParoProfile,
  parseParoProfile,
} from "./paro_attention_profile.ts";
import { headScores, table } from "./scores.ts";

/** Bits of a number; 4 lose much more than 8. */
export type ParoBits = 8 | 4;

/** Rounded numbers: each is a whole number from -127 to 127 (4 bits: -7 to 7) times the scale of its block. */
export interface Quantised {
  /** f32, of the shape of what was rounded. */
  readonly codes: Tensor;
  /** One per block. */
  readonly scales: Tensor;
}

/** Heads in integers, tokens in the orders of their heads. */
export interface QuantisedHeads {
  /** Codes [Hq, L, D], scales [Hq, ceil(L / queryBlock)]. */
  readonly q: Quantised;
  /** Codes [Hkv, L, D], scales [Hkv, n]. */
  readonly k: Quantised;
  /** Codes [Hkv, D, L]: channels first, as the products want them; scales [Hkv, D]. */
  readonly v: Quantised;
}

/** Sizes of {@linkcode integerAttention}. */
export interface IntegerOptions {
  /** Tokens per block of the mask, and per scale of the keys. */
  readonly blockSize: number;
  /** Tokens per scale of the queries. */
  readonly queryBlock: number;
  /** Bits of all numbers. */
  readonly bits: ParoBits;
  /** Factor of every score. @default 1 / sqrt(D) */
  readonly scale?: number;
}

/** Options of {@linkcode paroIntegerAttention}. */
export interface ParoIntegerOptions {
  /** Orders and masks of the model. */
  readonly profile: ParoProfile | Uint8Array;
  /** From 0. @default 0 */
  readonly layer?: number;
  /** Denoising step, from 0. @default 0 */
  readonly step?: number;
  /** Bits of all numbers. @default 8 */
  readonly bits?: ParoBits;
}

/** A block of zeros has this instead of its largest magnitude. */
const LEAST = 1e-7;

/** Stands for the score of a hidden pair: exp of a difference from it is 0, and no difference is NaN. */
const HIDDEN = -1e30;

/**
 * Attention of a layer at a step, in integers.
 *
 * @param d Receives the result.
 * @param q [Hq, L, D].
 * @param k [Hkv, L, D].
 * @param v [Hkv, L, D].
 * @returns [Hq, L, D], in the order of the tokens.
 * @throws RangeError if the profile is of another model, grid or length, shapes do not fit, or heads that share keys have different orders.
 */
export function paroIntegerAttention(
  d: Device,
  q: Tensor,
  k: Tensor,
  v: Tensor,
  options: ParoIntegerOptions,
): Tensor {
  const { layer = 0, step = 0, bits = 8 } = options;
  const profile = parseParoProfile(options.profile);
  const [heads, length, width] = q.shape as [number, number, number];
  expectGrid(profile.dims, profile.textLen, { lq: length, lk: k.shape[1] ?? 0 });
  if (`${v.shape}` !== `${k.shape}` || k.shape[2] !== width || heads % k.shape[0]! !== 0) {
    throw new RangeError(
      `Cannot run paroIntegerAttention: "q" [${q.shape}], "k" [${k.shape}] and "v" [${v.shape}] do not fit, expected [Hq, L, D] and twice [Hkv, L, D] with Hkv a divisor of Hq`,
    );
  }
  const masks = paroMasks(profile, layer, step, heads);
  const n = paroBlocks(profile);
  return scoped(d, (s) => {
    const flags = Float32Array.from(
      { length: heads * n * n },
      (_, i) => n <= FEW_BLOCKS ? 1 : masks[Math.floor(i / (n * n))]![i % (n * n)]!,
    );
    const sizes = { blockSize: profile.blockSize, queryBlock: halfBlock(profile.blockSize), bits };
    const orders = profile.order[layer]!;
    const own = quantiseHeads(s, { q, k, v }, profile, orders, bits);
    const out = integerAttention(s, own, s.tensor(flags, [heads, n, n]), sizes);
    const rows = orderRows(s, profile.dims, profile.textLen, orders);
    const back = scatter(s, out, rows, full(s, [heads * length, width], 0));
    return reshape(s, back, [heads, length, width]);
  });
}

/** Tokens that share a scale of queries: half a block. */
function halfBlock(blockSize: number): number {
  return Math.max(1, blockSize >> 1);
}

/**
 * Puts tokens in the orders of their heads and rounds them.
 *
 * @param orders Of every query head.
 */
export function quantiseHeads(
  d: Device,
  { q, k, v }: { readonly q: Tensor; readonly k: Tensor; readonly v: Tensor },
  { dims, textLen, blockSize }: Pick<ParoProfile, "dims" | "textLen" | "blockSize">,
  orders: readonly number[],
  bits: ParoBits,
): QuantisedHeads {
  const group = orders.length / k.shape[0]!;
  const shared = orders.filter((_, h) => h % group === 0);
  if (orders.some((order, h) => order !== shared[Math.floor(h / group)])) {
    throw new RangeError(
      `Cannot run paroIntegerAttention: query heads that share keys have different orders [${orders}], calibrate with as many key heads`,
    );
  }
  const queryRows = orderRows(d, dims, textLen, orders);
  const keyRows = orderRows(d, dims, textLen, shared);
  return {
    q: quantiseTokens(d, permuteHeads(d, q, queryRows), halfBlock(blockSize), bits),
    k: quantiseTokens(d, permuteHeads(d, k, keyRows), blockSize, bits),
    v: quantiseChannels(d, permuteHeads(d, v, keyRows), bits),
  };
}

/**
 * Rounds tokens, with one scale for every block of them.
 *
 * @param x [H, L, D].
 * @returns Codes [H, L, D], scales [H, ceil(L / block)].
 */
export function quantiseTokens(d: Device, x: Tensor, block: number, bits: ParoBits): Quantised {
  const [, length] = x.shape as [number, number];
  return scoped(d, (s) => {
    const scales = scalesOf(s, reduce(s, "max", groupMax(s, magnitudes(s, x), block)), bits);
    return { codes: rounded(s, binary(s, "div", x, perToken(s, scales, block, length), ROWS), bits), scales };
  });
}

/**
 * Rounds values, with one scale for every channel.
 *
 * @param v [H, L, D].
 * @returns Codes [H, D, L], scales [H, D].
 */
export function quantiseChannels(d: Device, v: Tensor, bits: ParoBits): Quantised {
  return scoped(d, (s) => {
    const channels = transpose(s, v, [0, 2, 1]);
    const scales = scalesOf(s, reduce(s, "max", magnitudes(s, channels)), bits);
    return { codes: rounded(s, binary(s, "div", channels, scales, ROWS), bits), scales };
  });
}

/**
 * Attention of rounded heads by a mask of tiles, key tile by key tile: scores are integer products times two scales; weights are rounded relative to the
 * largest score so far, their sum is not.
 *
 * @param flags [Hq, n, n]: 1 where a tile is computed.
 * @returns [Hq, L, D], in the orders of the heads; zeros for a query that sees no key.
 */
export function integerAttention(
  d: Device,
  { q, k, v }: QuantisedHeads,
  flags: Tensor,
  { blockSize, queryBlock, bits, scale }: IntegerOptions,
): Tensor {
  const [heads, length, width] = q.codes.shape as [number, number, number];
  const kvHeads = k.codes.shape[0]!;
  const [n, most] = [flags.shape[2]!, largest(bits)];
  return scoped(d, (s) => {
    const ofHead = table(s, [heads], (h) => Math.floor(h * kvHeads / heads));
    const queryScales = perToken(s, q.scales, queryBlock, length);
    const factor = full(s, [1], scale ?? 1 / Math.sqrt(width));
    const keyScales = gather(s, mul(s, k.scales, factor), ofHead);
    let top = full(s, [heads, length], HIDDEN);
    let total = full(s, [heads, length], 0);
    let mixed = full(s, [heads, length, width], 0);
    for (let tile = 0; tile < n; tile++) {
      const [begin, end] = [tile * blockSize, Math.min(length, (tile + 1) * blockSize)];
      const next = scoped(s, (c) => {
        const column = (x: Tensor): Tensor =>
          reshape(c, slice(c, x, -1, tile, tile + 1), x.shape.slice(0, -1));
        const seen = perToken(c, column(flags), blockSize, length);
        const products = headScores(c, q.codes, slice(c, k.codes, 1, begin, end), 1);
        const byQuery = mul(c, products, queryScales, ROWS);
        const scores = mul(c, byQuery, column(keyScales), ROWS);
        const hidden = mul(c, add(c, seen, full(c, [1], -1)), full(c, [1], -HIDDEN));
        const visible = add(c, scores, hidden, ROWS);
        const now = binary(c, "max", top, reduce(c, "max", visible));
        const raw = unary(c, "exp", binary(c, "sub", visible, now, ROWS));
        const weights = mul(c, raw, seen, ROWS);
        const codes = rounded(c, mul(c, weights, full(c, [1], most)), bits);
        const values = headScores(c, codes, slice(c, v.codes, 2, begin, end), 1);
        const fade = unary(c, "exp", binary(c, "sub", top, now));
        return {
          top: now,
          total: add(c, mul(c, total, fade), reduce(c, "sum", weights)),
          mixed: add(c, mul(c, mixed, fade, ROWS), values),
        };
      });
      for (const old of [top, total, mixed]) old.dispose();
      ({ top, total, mixed } = next);
    }
    const sums = mul(s, binary(s, "max", total, full(s, [1], LEAST)), full(s, [1], most));
    const channels = transpose(s, binary(s, "div", mixed, sums, ROWS), [0, 2, 1]);
    return transpose(s, mul(s, channels, gather(s, v.scales, ofHead), ROWS), [0, 2, 1]);
  });
}

const ROWS = { axis: "rows" } as const;

function largest(bits: ParoBits): number {
  return bits === 8 ? 127 : 7;
}

function magnitudes(d: Device, x: Tensor): Tensor {
  return binary(d, "max", x, unary(d, "neg", x));
}

function scalesOf(d: Device, most: Tensor, bits: ParoBits): Tensor {
  return binary(d, "div", binary(d, "max", most, full(d, [1], LEAST)), full(d, [1], largest(bits)));
}

/** To the nearest whole number, ties to even, within the range. */
function rounded(d: Device, x: Tensor, bits: ParoBits): Tensor {
  const low = binary(d, "max", x, full(d, [1], -largest(bits)));
  return cast(d, cast(d, binary(d, "min", low, full(d, [1], largest(bits))), "i32"), "f32");
}

/** Numbers of blocks [H, n] for each of their tokens [H, L]. */
function perToken(d: Device, blocks: Tensor, size: number, length: number): Tensor {
  const [heads, n] = blocks.shape as [number, number];
  const each = reshape(d, repeat(d, reshape(d, blocks, [heads, n, 1]), 2, size), [heads, n * size]);
  return slice(d, each, 1, 0, length);
}
