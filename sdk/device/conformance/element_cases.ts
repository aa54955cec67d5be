/**
 * Cases of elementwise operations and copies.
 *
 * @module
 */
import type { Random } from "../../testing/random.ts";
import type { Device } from "../device.ts";
import { floatsToHalves } from "../half.ts";
import { BINARY_CODE, UNARY_CODE } from "../ops.ts";
import { binary, type BinaryKind } from "../ops/binary.ts";
import { cast } from "../ops/cast.ts";
import { concat } from "../ops/concat.ts";
import { embedCells } from "../ops/embed_cells.ts";
import { full } from "../ops/fill.ts";
import { gather } from "../ops/gather.ts";
import { repeat } from "../ops/repeat.ts";
import { reshape } from "../ops/reshape.ts";
import { scaleAdd } from "../ops/scale_add.ts";
import { scatter } from "../ops/scatter.ts";
import { slice } from "../ops/slice.ts";
import { transpose } from "../ops/transpose.ts";
import { unary, type UnaryKind } from "../ops/unary.ts";
import type { Tensor } from "../tensor.ts";
import type { ConformanceCase } from "./case.ts";

const SHAPES: readonly (readonly [number, number, number])[] = [
  [1, 1, 1],
  [2, 3, 4],
  [1, 5, 17],
  [3, 16, 33],
  [7, 1, 64],
];

const unaryCases: readonly ConformanceCase[] = (Object.keys(UNARY_CODE) as UnaryKind[]).map((kind) => ({
  name: `unary() ${kind}`,
  run: (d: Device, random: Random): Record<string, Tensor> => {
    const positive = kind === "log" || kind === "sqrt";
    const data = positive ? random.uniforms(131, 0.01, 50) : random.normals(131, 4);
    // Far out, where approximations of exponentials overflow if they are careless.
    const edges = Float32Array.from(
      positive ? [1e-30, 1, 1e30] : kind === "exp" ? [0, 80, -80] : [0, 100, -100],
    );
    return { spread: unary(d, kind, d.tensor(data, [131])), edges: unary(d, kind, d.tensor(edges, [3])) };
  },
}));

const binaryCases: readonly ConformanceCase[] = (Object.keys(BINARY_CODE) as BinaryKind[]).map((kind) => ({
  name: `binary() ${kind}`,
  run: (d: Device, random: Random): Record<string, Tensor> =>
    Object.fromEntries(SHAPES.flatMap(([x, y, z]) => {
      const a = d.tensor(random.normals(x * y * z), [x, y, z]);
      const other = (...shape: number[]): Tensor =>
        d.tensor(random.uniforms(shape.reduce((p, n) => p * n, 1), 0.5, 2), shape);
      const at = `${x}x${y}x${z}`;
      return [
        [`same ${at}`, binary(d, kind, a, other(x, y, z))],
        [`last ${at}`, binary(d, kind, a, other(z), { axis: "last" })],
        [`last two ${at}`, binary(d, kind, a, other(y, z), { axis: "last" })],
        [`rows ${at}`, binary(d, kind, a, other(x, y), { axis: "rows" })],
        [`first ${at}`, binary(d, kind, a, other(x, 1), { axis: "rows" })],
        [`number ${at}`, binary(d, kind, a, other(1))],
      ];
    })),
}));

const copyCases: readonly ConformanceCase[] = SHAPES.map(([x, y, z]) => ({
  name: `copies of [${x}, ${y}, ${z}]`,
  run: (d: Device, random: Random): Record<string, Tensor> => {
    const data = random.normals(x * y * z);
    const a = d.tensor(data, [x, y, z]);
    const b = d.tensor(random.normals(x * 2 * z), [x, 2, z]);
    const halves = d.tensor(floatsToHalves(data), [x, y, z]);
    const bytes = d.tensor(Uint8Array.from(random.ints(x * y * z, 0, 256)), [x, y, z]);
    const index = d.tensor(random.ints(y + 2, -1, x), [y + 2]);
    const target = full(d, [x + 2, y, z], 0.5);
    const order = d.tensor(Int32Array.from(random.shuffle(Array.from({ length: x }, (_, i) => i + 1))), [x]);
    return {
      sliceFirst: slice(d, a, 0, x - 1, x),
      sliceMiddle: slice(d, a, 1, 0, Math.ceil(y / 2)),
      sliceLast: slice(d, halves, -1, Math.floor(z / 2)),
      concatFirst: concat(d, [a, a], 0),
      concatMiddle: concat(d, [b, a, b], 1),
      concatLast: concat(d, [bytes, bytes], -1),
      reversed: transpose(d, a),
      swapped: transpose(d, halves, [0, 2, 1]),
      rotated: transpose(d, bytes, [1, 2, 0]),
      four: transpose(d, reshape(d, a, [x, y, 1, z]), [3, 2, 0, 1]),
      repeatFirst: repeat(d, a, 0, 3),
      repeatMiddle: repeat(d, halves, 1, 2),
      repeatLast: repeat(d, bytes, 2, 5),
      gathered: gather(d, a, index),
      gatheredHalves: gather(d, halves, index),
      gatheredBytes: gather(d, bytes, index),
      scattered: scatter(d, a, order, target),
    };
  },
}));

const embedCases: readonly ConformanceCase[] = [[1, 1], [5, 8], [33, 17], [100, 128]].map(([n, e]) => ({
  name: `embedCells() and scaleAdd() of ${n} numbers to ${e}`,
  run: (d: Device, random: Random): Record<string, Tensor> => {
    const cells = random.normals(n!).map((value, i) => (i % 3 === 1 ? -100 : value));
    const x = d.tensor(cells, [n!]);
    const w = d.tensor(random.normals(e!), [e!]);
    const bias = d.tensor(random.normals(e!), [e!]);
    const rows = d.tensor(random.normals(n! * e!), [n!, e!]);
    const more = d.tensor(random.normals(n! * e!), [n!, e!]);
    return {
      all: embedCells(d, x, w, bias),
      skipped: embedCells(d, x, w, bias, { skip: -100 }),
      scaled: scaleAdd(d, x, rows, more),
    };
  },
}));

const castCase: ConformanceCase = {
  name: "cast() between all types",
  run: (d, random): Record<string, Tensor> => {
    const edges = [
      0,
      -0,
      1,
      65504,
      65519,
      65520,
      1e9,
      -1e9,
      6e-8,
      2.9e-8,
      3.1e-8,
      6.1e-5,
      1 + 2 ** -11,
      1 + 3 * 2 ** -11,
      2.5,
      3.5,
      -2.5,
      Infinity,
    ];
    const data = Float32Array.from([...edges, ...random.normals(100, 100), ...random.normals(100, 1e-5)]);
    const f32 = d.tensor(data, [data.length]);
    const whole = Float32Array.from([
      ...edges.filter((x) => Math.abs(x) < 2e9),
      ...random.normals(100, 1000),
    ]);
    const halves = d.tensor(Uint16Array.from({ length: 0x7c00 }, (_, i) => i), [0x7c00]);
    return {
      toHalf: cast(d, f32, "f16"),
      fromHalf: cast(d, halves, "f32"),
      toInt: cast(d, d.tensor(whole, [whole.length]), "i32"),
      fromInt: cast(d, d.tensor(random.ints(77, -1e9, 1e9), [77]), "f32"),
      fromByte: cast(d, d.tensor(Uint8Array.from(random.ints(77, 0, 256)), [77]), "f32"),
      fromSigned: cast(d, d.tensor(Int8Array.from(random.ints(77, -128, 128)), [77]), "f32"),
    };
  },
};

/** All cases of this file. */
export const elementCases: readonly ConformanceCase[] = [
  ...unaryCases,
  ...binaryCases,
  ...copyCases,
  ...embedCases,
  castCase,
];
