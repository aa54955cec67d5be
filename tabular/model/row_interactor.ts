/**
 * Row interactor: the cells of a row, seen at several group sizes, become one vector (SPEC 4).
 *
 * @module
 */
import {
  add,
  attend,
  concat,
  type Device,
  groupMean,
  mul,
  repeat,
  reshape,
  scoped,
  slice,
  type Tensor,
} from "../../sdk/device/mod.ts";
import { drawLinks, rowMask } from "../preprocess/links.ts";
import type { TorchRandom } from "../preprocess/torch_random.ts";
import { apply, normalise, runBlock } from "./block.ts";
import { type OrionConfig, rowWidth, specialTokens } from "./config.ts";
import type { Parameters } from "./parameters.ts";

/** Who sees whom in a row sequence, by scale: u8 [L, L] with L = specials + groups, 1 = may attend. */
export type RowMasks = ReadonlyMap<number, Uint8Array>;

/** Elements of a chunk's widest tensor. */
const CHUNK = 1 << 21;

/**
 * Draws the masks of one call, scales ascending (SPEC 4.2).
 *
 * @param config Says the scales, the links and, in `filigree` mode, the window.
 * @param features Number of features.
 * @param generator Source of the links; it goes on across calls in `official` mode.
 */
export function drawMasks(
  config: OrionConfig,
  features: number,
  generator: TorchRandom,
): Map<number, Uint8Array> {
  const specials = specialTokens(config);
  const window = config.mode === "filigree" ? config.row_window : 0;
  return new Map(config.row_scales.map((scale) => {
    const k = Math.ceil(features / scale);
    return [scale, rowMask(specials, k, drawLinks(generator, k, config.row_num_random, specials), window)];
  }));
}

/** Uploads masks for {@linkcode encodeRows}; a mask that hides nothing is left out. */
export function uploadMasks(
  d: Device,
  config: OrionConfig,
  features: number,
  masks: RowMasks,
): Map<number, Tensor> {
  const uploaded = new Map<number, Tensor>();
  for (const scale of config.row_scales) {
    const length = specialTokens(config) + Math.ceil(features / scale);
    const mask = masks.get(scale);
    if (mask === undefined || mask.length !== length * length) {
      const got = mask === undefined ? "none" : `${mask.length} values`;
      throw new RangeError(
        `Cannot use the mask of scale ${scale}: expected [${length}, ${length}] for ${features} features, got ${got}`,
      );
    }
    if (mask.includes(0)) uploaded.set(scale, d.tensor(mask, [length, length]));
  }
  return uploaded;
}

/** Options of {@linkcode encodeRows}. */
export interface RowOptions {
  /** Masks by scale from {@linkcode uploadMasks}. */
  readonly masks: ReadonlyMap<number, Tensor>;
  /** Features per row where rows are padded (training mode): one number per row. */
  readonly counts?: Int32Array;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Encodes rows.
 *
 * @param d Receives the result.
 * @param features [R, H, E]: embedded cells row by row.
 * @returns [R, D], CLS tokens side by side.
 */
export async function encodeRows(
  d: Device,
  config: OrionConfig,
  p: Parameters["row"],
  features: Tensor,
  options: RowOptions,
): Promise<Tensor> {
  const [rows, h, e] = features.shape as [number, number, number];
  const step = Math.max(1, Math.floor(CHUNK / ((specialTokens(config) + h) * e * config.ff_factor)));
  const parts: Tensor[] = [];
  for (let from = 0; from < rows || parts.length === 0; from += step) {
    await d.flush(options.signal);
    const to = Math.min(rows, from + step);
    parts.push(scoped(d, (s) => {
      const part = rows <= step ? features : slice(s, features, 0, from, to);
      return encodeChunk(s, config, p, part, options.masks, options.counts?.subarray(from, to));
    }));
  }
  if (parts.length === 1) return parts[0]!;
  const whole = concat(d, parts, 0);
  for (const part of parts) part.dispose();
  return whole;
}

function encodeChunk(
  s: Device,
  config: OrionConfig,
  p: Parameters["row"],
  features: Tensor,
  masks: ReadonlyMap<number, Tensor>,
  counts?: Int32Array,
): Tensor {
  const [rows, h, e] = features.shape as [number, number, number];
  const grouped = grouping(s, config, p, features, counts);
  const specials = repeat(s, reshape(s, p.specials, [1, specialTokens(config), e]), 0, rows);
  let sum: Tensor | undefined;
  config.row_scales.forEach((scale, index) => {
    const { freqs, blocks } = p.scales[index]!;
    const cls = scoped(s, (inner) => {
      let x = concat(inner, [specials, grouped(inner, scale, Math.ceil(h / scale))], 1);
      const lens = counts &&
        inner.tensor(counts.map((n) => specialTokens(config) + Math.ceil(n / scale)), [rows]);
      const mask = masks.get(scale);
      blocks.forEach((block, b) => {
        const last = b === blocks.length - 1;
        const next = runBlock(inner, block, x, {
          activation: config.activation,
          normFirst: config.norm_first,
          rotation: { freqs },
          ...(lens && { lens }),
          // Only CLS tokens leave the last block, and specials see everything.
          ...(last ? { queries: config.row_num_cls } : mask && { mask }),
        });
        x.dispose();
        x = next;
      });
      return x;
    });
    sum = sum === undefined ? cls : add(s, sum, cls);
  });
  const mean = mul(s, sum!, s.tensor(Float32Array.of(1 / config.row_scales.length), [1]));
  return reshape(s, normalise(s, mean, p.outNorm), [rows, rowWidth(config)]);
}

type Grouping = (inner: Device, scale: number, k: number) => Tensor;

/** How the features of these rows are grouped: [R, K, E] for a scale. */
function grouping(
  s: Device,
  config: OrionConfig,
  p: Parameters["row"],
  features: Tensor,
  counts?: Int32Array,
): Grouping {
  const [rows, , e] = features.shape as [number, number, number];
  const lens = counts && s.tensor(counts, [rows]);
  if (config.row_group_mode === "contiguous") {
    return (inner, scale) => {
      if (scale === 1) return features;
      const divisor = config.mode === "official" ? "g" : "real";
      return groupMean(inner, features, scale, { divisor, ...(lens && { counts: lens }) });
    };
  }
  // One pooling module serves every scale, so its keys and values are made once.
  const keys = apply(s, features, p.pma.k);
  const values = apply(s, features, p.pma.v);
  return (inner, _scale, k) => {
    const q = apply(inner, inner.tensor(poolingQueries(p.pma.seed, k, e), [1, k, e]), p.pma.q);
    return attend(inner, q, keys, values, { heads: 1, headDim: e, ...(lens && { lens }) });
  };
}

/** seed + sinusoidal position, [K, E]. */
function poolingQueries(seed: Float32Array, k: number, e: number): Float32Array {
  const queries = new Float32Array(k * e);
  for (let position = 0; position < k; position++) {
    for (let i = 0; i < e; i++) {
      const angle = position * Math.exp(-(i - i % 2) * Math.log(10000) / e);
      queries[position * e + i] = seed[i]! + (i % 2 === 0 ? Math.sin(angle) : Math.cos(angle));
    }
  }
  return queries;
}
