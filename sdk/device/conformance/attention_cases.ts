/**
 * Cases of rotary embedding and attention.
 *
 * @module
 */
import { attention } from "../../attention/attention.ts";
import type { Random } from "../../testing/random.ts";
import type { Device } from "../device.ts";
import { attend, type AttendOptions, type HeadView } from "../ops/attend.ts";
import { cast } from "../ops/cast.ts";
import { rope } from "../ops/rope.ts";
import type { Tensor } from "../tensor.ts";
import type { ConformanceCase } from "./case.ts";

interface Sizes {
  readonly batch: number;
  readonly heads: number;
  readonly group: number;
  readonly headDim: number;
  readonly lq: number;
  readonly lk: number;
}

const SIZES: readonly Sizes[] = [
  { batch: 1, heads: 1, group: 1, headDim: 1, lq: 1, lk: 1 },
  { batch: 2, heads: 4, group: 1, headDim: 8, lq: 3, lk: 5 },
  { batch: 3, heads: 4, group: 4, headDim: 16, lq: 1, lk: 33 },
  { batch: 1, heads: 7, group: 7, headDim: 12, lq: 17, lk: 17 },
  { batch: 2, heads: 14, group: 7, headDim: 4, lq: 9, lk: 65 },
  { batch: 1, heads: 8, group: 4, headDim: 64, lq: 31, lk: 130 },
  { batch: 5, heads: 2, group: 1, headDim: 33, lq: 16, lk: 64 },
  { batch: 1, heads: 2, group: 2, headDim: 128, lq: 65, lk: 66 },
  { batch: 40, heads: 4, group: 1, headDim: 8, lq: 6, lk: 4 },
];

/** Queries at an offset of their own matrix, keys and values side by side in another. */
function inputs(
  d: Device,
  random: Random,
  s: Sizes,
  kvBatch = s.batch,
): readonly [HeadView, HeadView, HeadView] {
  const width = s.heads * s.headDim;
  const kvWidth = s.heads / s.group * s.headDim;
  const q = d.tensor(random.normals(s.batch * s.lq * (width + 3)), [s.batch, s.lq, width + 3]);
  const kv = d.tensor(random.normals(kvBatch * s.lk * 2 * kvWidth), [kvBatch, s.lk, 2 * kvWidth]);
  return [{ tensor: q, offset: 3 }, { tensor: kv }, { tensor: kv, offset: kvWidth }];
}

const attendCases: readonly ConformanceCase[] = SIZES.map((s) => ({
  name:
    `attend() with ${s.heads} heads in groups of ${s.group}, [${s.batch}, ${s.lq} x ${s.lk}, ${s.headDim}]`,
  run: (d: Device, random: Random): Record<string, Tensor> => {
    const heads = { heads: s.heads, kvHeads: s.heads / s.group, headDim: s.headDim };
    const [q, k, v] = inputs(d, random, s);
    const mask = d.tensor(Uint8Array.from(random.ints(s.lq * s.lk, 0, 3)), [s.lq, s.lk]);
    const lens = d.tensor(random.ints(s.batch, 0, s.lk + 1), [s.batch]);
    const half = { tensor: cast(d, k.tensor, "f16") };
    const with_ = (options: Partial<AttendOptions>) =>
      attend(d, q, k, v, { ...heads, ...options, lse: true });
    const plain = with_({});
    const masked = with_({ mask, scale: 0.7 });
    const limited = with_({ lens });
    const causal = with_({ causal: true });
    const all = with_({ mask, lens, causal: true });
    return {
      plain: plain.out,
      plainLse: plain.lse,
      masked: masked.out,
      maskedLse: masked.lse,
      limited: limited.out,
      limitedLse: limited.lse,
      causal: causal.out,
      causalLse: causal.lse,
      all: all.out,
      allLse: all.lse,
      first: attend(d, q, k, v, { ...heads, keys: Math.ceil(s.lk / 2) }),
      half: attend(d, q, half, { ...half, offset: v.offset! }, heads),
    };
  },
}));

const sharedCase: ConformanceCase = {
  name: "attend() with one query batch over many, and one key batch under many",
  run: (d, random): Record<string, Tensor> => {
    const s: Sizes = { batch: 1, heads: 4, group: 2, headDim: 8, lq: 5, lk: 19 };
    const options = { heads: 4, kvHeads: 2, headDim: 8 };
    const [q, k, v] = inputs(d, random, s, 6);
    const [manyQ, oneK, oneV] = inputs(d, random, { ...s, batch: 3 }, 1);
    return {
      oneQuery: attend(d, q, k, v, options),
      oneKey: attend(d, manyQ, oneK, oneV, { ...options, causal: true }),
    };
  },
};

const headMajorCases: readonly ConformanceCase[] = SIZES.slice(0, 8).map((s) => ({
  name: `attention() with ${s.heads} heads in groups of ${s.group}, [${s.lq} x ${s.lk}, ${s.headDim}]`,
  run: (d: Device, random: Random): Record<string, Tensor> => {
    const q = d.tensor(random.normals(s.heads * s.lq * s.headDim), [s.heads, s.lq, s.headDim]);
    const shape = [s.heads / s.group, s.lk, s.headDim];
    const k = d.tensor(random.normals(s.heads / s.group * s.lk * s.headDim), shape);
    const v = d.tensor(random.normals(s.heads / s.group * s.lk * s.headDim), shape);
    const { out, lse } = attention(d, q, k, v, { causal: true, lse: true });
    return { plain: attention(d, q, k, v).out, causal: out, lse };
  },
}));

const ropeCases: readonly ConformanceCase[] = [[1, 1, 1, 2], [2, 5, 3, 8], [3, 33, 4, 16], [1, 100, 2, 64]]
  .map(
    ([batch, length, heads, headDim]) => ({
      name: `rope() of ${heads} heads of ${headDim} in [${batch}, ${length}]`,
      run: (d: Device, random: Random): Record<string, Tensor> => {
        const width = heads! * headDim! + 5;
        const freqs = d.tensor(random.uniforms(headDim! / 2, 0.001, 1), [headDim! / 2]);
        const make = () => d.tensor(random.normals(batch! * length! * width), [batch!, length!, width]);
        const options = { heads: heads!, headDim: headDim! };
        return {
          pairs: rope(d, make(), freqs, options),
          halves: rope(d, make(), freqs, { ...options, interleaved: false, offset: 5 }),
          moved: rope(d, make(), freqs, { ...options, start: 1000, offset: 2 }),
          wrapped: rope(d, make(), freqs, { ...options, length: Math.ceil(length! / 2) }),
        };
      },
    }),
  );

/** All cases of this file. */
export const attentionCases: readonly ConformanceCase[] = [
  ...attendCases,
  sharedCase,
  ...headMajorCases,
  ...ropeCases,
];
