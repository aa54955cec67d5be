/**
 * Cases of rows that become codes or bitmaps.
 *
 * @module
 */
import type { Random } from "../../testing/random.ts";
import type { Device } from "../device.ts";
import { floatsToHalves } from "../half.ts";
import { cast, packBitmap, quantize, readRows, slice } from "../ops/mod.ts";
import type { Tensor } from "../tensor.ts";
import type { ConformanceCase } from "./case.ts";

/** Numbers near those of codes, the least and the largest code among every group: rounding is not in doubt. */
function nearCodes(random: Random, groups: number, group: number, top: number): Float32Array<ArrayBuffer> {
  const x = new Float32Array(groups * group);
  for (let n = 0; n < groups; n++) {
    const [min, step] = [random.normal(), random.uniform() / top + 0.01];
    const ends = random.shuffle(Array.from({ length: group }, (_, i) => i));
    for (let i = 0; i < group; i++) {
      const code = i === ends[0]
        ? 0
        : i === ends[1]
        ? top
        : random.int(1, top) + 0.7 * (random.uniform() - 0.5);
      x[n * group + i] = min + code * step;
    }
  }
  return x;
}

const quantizeCases: readonly ConformanceCase[] = ([
  [1, 8, 8],
  [3, 24, 24],
  [5, 24, 8],
  [70, 64, 64],
  [33, 128, 32],
  [300, 64, 16],
] as const).flatMap(([rows, cols, group]) =>
  ([8, 4] as const).map((bits) => ({
    name: `quantize() of [${rows}, ${cols}] to ${bits} bits in groups of ${group}`,
    run: (d: Device, random: Random): Record<string, Tensor> => {
      const x = nearCodes(random, rows * cols / group, group, 2 ** bits - 1);
      const near = quantize(d, d.tensor(x, [rows, cols]), { bits, group });
      const flat = x.map((_, i) => Math.floor(i / group) % 3 - 1);
      const constant = quantize(d, d.tensor(flat, [1, rows, cols]), { bits, group });
      return { codes: near.codes, meta: near.meta, constant: constant.codes, constantMeta: constant.meta };
    },
  }))
);

interface Packing {
  readonly heads: number;
  readonly headDim: number;
  /** Rows of each append. */
  readonly parts: readonly number[];
  readonly drop: number;
  readonly values: "normal" | "ties";
  readonly type: "f32" | "f16";
  /** Share of the elements of the first part that there is room for. @default all of all parts */
  readonly room?: number;
}

const PACKINGS: readonly Packing[] = [
  { heads: 1, headDim: 64, parts: [64], drop: 32, values: "normal", type: "f32" },
  { heads: 2, headDim: 64, parts: [64, 128], drop: 44, values: "normal", type: "f16" },
  { heads: 3, headDim: 128, parts: [128, 64, 64], drop: 89, values: "normal", type: "f32" },
  { heads: 2, headDim: 64, parts: [64, 64], drop: 1, values: "ties", type: "f32" },
  { heads: 2, headDim: 128, parts: [64, 64], drop: 128, values: "ties", type: "f16" },
  { heads: 2, headDim: 64, parts: [64, 64], drop: 40, values: "ties", type: "f32" },
  { heads: 1, headDim: 192, parts: [64], drop: 192, values: "normal", type: "f16" },
  { heads: 2, headDim: 64, parts: [64, 64], drop: 32, values: "normal", type: "f32", room: 0.25 },
];

/** Rows for all parts; some are zero, and ties are small whole numbers, negative zeros among them. */
function rowsOf(
  random: Random,
  { values }: Packing,
  rows: number,
  headDim: number,
): Float32Array<ArrayBuffer> {
  const x = values === "normal"
    ? random.normals(rows * headDim)
    : Float32Array.from({ length: rows * headDim }, () =>
      random.int(0, 4) * (random.int(0, 2) === 0 ? -1 : 1));
  for (let r = 0; r < rows; r += 7) x.fill(0, r * headDim, (r + 1) * headDim);
  return x;
}

/** Numbers that are not what is packed. */
const halves = (random: Random, n: number): Uint16Array<ArrayBuffer> => floatsToHalves(random.normals(n));

const bitmapCases: readonly ConformanceCase[] = PACKINGS.flatMap((p) =>
  (["k", "v"] as const).map((kind) => ({
    name:
      `packBitmap() of ${p.heads} x [${
        p.parts.join(" + ")
      }, ${p.headDim}] ${p.type} ${kind}, drop ${p.drop}, ` +
      `${p.values === "ties" ? "with ties" : "without ties"}${p.room === undefined ? "" : ", too large"}`,
    run: (d: Device, random: Random): Record<string, Tensor> => {
      const { heads, headDim, parts } = p;
      const rows = parts.reduce((a, b) => a + b);
      const entries = rows * headDim / 64 + 1;
      const packedHead = p.room === undefined ? rows * headDim : parts[0]! * headDim * p.room;
      const [metaAt, metaHead] = [5, 3 * entries + 2];
      // The entry that the first call continues from must be there; all others are written.
      const meta = d.tensor(new Int32Array(metaAt + heads * metaHead), [metaAt + heads * metaHead]);
      const packed = d.tensor(halves(random, heads * packedHead), [heads * packedHead]);
      const options = { packed, meta, packedHead, metaAt, metaHead, drop: p.drop, kind };
      let done = 0;
      for (const part of parts) {
        const floats = d.tensor(rowsOf(random, p, heads * part, headDim), [heads, part, headDim]);
        const x = p.type === "f16" ? cast(d, floats, "f16") : floats;
        packBitmap(d, x, { ...options, tile0: done * headDim / 64 });
        done += part;
      }
      const after = cast(d, packed, "f32");
      const own = d.view(slice(d, meta, 0, metaAt), [heads, metaHead]);
      if (p.room !== undefined) {
        const tiles = d.view(slice(d, own, 1, 0, 3 * entries), [heads, entries, 3]);
        return { packed: after, offsets: slice(d, tiles, 2, 2) };
      }
      const cached = { form: "bitmap", k: packed, v: packed, kHead: packedHead, vHead: packedHead } as const;
      const sizes = { metaHead, vMetaAt: 0, kvHeads: heads, headDim, first: 0, rows };
      return { packed: after, meta, rows: readRows(d, { ...cached, ...sizes, meta: own }, kind) };
    },
  }))
);

/** All cases of this file. */
export const packCases: readonly ConformanceCase[] = [...quantizeCases, ...bitmapCases];
