/**
 * Products of matrices: `linear` and `matmul`.
 *
 * @module
 */
import { type OpOf, WEIGHT_CODE } from "../../sdk/device/ops.ts";
import { type Caps, type Context, type Dispatch, type Kernel, powerOfTwo } from "../kernel.ts";
import functions from "../parts/functions.wgsl" with { type: "text" };
import operands from "../parts/operands.wgsl" with { type: "text" };
import type { Constants } from "../template.ts";
import { fits, looseChunksOf, NOWHERE, type Span, span } from "../windows.ts";
import gemmSource from "./gemm.wgsl" with { type: "text" };
import gemvSource from "./gemv.wgsl" with { type: "text" };

const gemm: Kernel = {
  name: "gemm",
  source: functions + operands + gemmSource,
  bindings: { x: "read", w: "read", scales: "read", bias: "read", residual: "read", out: "write" },
  params: {
    batch: "u",
    m: "u",
    n: "u",
    k: "u",
    xBase: "u",
    xBatch: "u",
    wBase: "u",
    wBatch: "u",
    scaleBase: "u",
    biasBase: "u",
    outBase: "u",
    stride: "u",
    column: "u",
    group: "u",
    scaled: "u",
    biased: "u",
    residual: "u",
    alpha: "f",
  },
};
const gemv: Kernel = { ...gemm, name: "gemv", source: functions + operands + gemvSource };

/** Rows that {@linkcode gemv} takes at most, and its threads. */
const FEW = 8;
const FEW_THREADS = 64;
/** Tiles: their side, threads across and down, runs of four columns of a thread, steps along k (each thread fetches one 4 x 4 block). */
const LARGE = { side: 128, constants: { WX: 16, WY: 16, NV: 2, TK: 16 }, bytes: 2 * 16 * 33 * 16 };
const SMALL = { side: 64, constants: { WX: 8, WY: 8, NV: 2, TK: 8 }, bytes: 2 * 8 * 17 * 16 };

/** One product of rows of x with rows of w. */
interface Product {
  readonly x: Span;
  readonly w: Span;
  readonly scales: Span;
  readonly bias: Span;
  readonly residual: Span;
  readonly out: Span;
  readonly batch: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly xBatch: number;
  readonly wBatch: number;
  /** Columns of out, and where this product's begin. */
  readonly stride: number;
  readonly column: number;
  readonly group: number;
  readonly alpha: number;
  readonly wtype: number;
  readonly activation: number;
  readonly inPlace: boolean;
}

const TYPE_FLAG: Readonly<Record<number, string>> = {
  [WEIGHT_CODE.f32]: "W_F32",
  [WEIGHT_CODE.f16]: "W_F16",
  [WEIGHT_CODE.i8]: "W_I8",
  [WEIGHT_CODE.i4]: "W_I4",
};
const BYTES: Readonly<Record<number, number>> = {
  [WEIGHT_CODE.f32]: 4,
  [WEIGHT_CODE.f16]: 2,
  [WEIGHT_CODE.i8]: 1,
  [WEIGHT_CODE.i4]: 0.5,
};

/** `linear` as dispatches. */
export function linear(op: OpOf<"linear">, { caps }: Context): Dispatch[] {
  const { m, n, k, wtype, group, activation } = op;
  const wide = BYTES[wtype]! * k;
  const groups = k / group;
  const inPlace = op.residual === op.out;
  const dispatches: Dispatch[] = [];
  for (const [row, rowEnd] of looseChunksOf(caps, m, [4 * k, 4 * n])) {
    for (const [col, colEnd] of looseChunksOf(caps, n, [wide, 4 * groups])) {
      dispatches.push(product(caps, {
        x: span(op.x, row * k, (rowEnd - row) * k),
        w: span(op.w, col * k, (colEnd - col) * k, BYTES[wtype]!),
        scales: span(op.scales, col * groups, (colEnd - col) * groups),
        bias: span(op.bias, col, colEnd - col),
        residual: inPlace ? NOWHERE : span(op.residual, row * n, (rowEnd - row) * n),
        out: span(op.out, row * n, (rowEnd - row) * n),
        batch: 1,
        m: rowEnd - row,
        n: colEnd - col,
        k,
        xBatch: 0,
        wBatch: 0,
        stride: n,
        column: col,
        group,
        alpha: 1,
        wtype,
        activation,
        inPlace,
      }));
    }
  }
  return dispatches;
}

/** `matmul` as dispatches: all at once if everything can be bound, else entry by entry. */
export function matmul(op: OpOf<"matmul">, { caps }: Context): Dispatch[] {
  const { batch, m, n, k, aBatch, bBatch, alpha } = op;
  const one = (entry: number, entries: number, [row, rowEnd]: Range, [col, colEnd]: Range): Product => ({
    x: span(op.a, entry * aBatch + row * k, (entries - 1) * aBatch + (rowEnd - row) * k),
    w: span(op.b, entry * bBatch + col * k, (entries - 1) * bBatch + (colEnd - col) * k),
    scales: NOWHERE,
    bias: NOWHERE,
    residual: NOWHERE,
    out: span(op.out, (entry * m + row) * n, ((entries - 1) * m + rowEnd - row) * n),
    batch: entries,
    m: rowEnd - row,
    n: colEnd - col,
    k,
    xBatch: aBatch,
    wBatch: bBatch,
    stride: n,
    column: col,
    group: k,
    alpha,
    wtype: WEIGHT_CODE.f32,
    activation: 0,
    inPlace: false,
  });
  const all = one(0, batch, [0, m], [0, n]);
  if (fits(caps, all.x, all.w, all.out)) return [product(caps, all)];
  const dispatches: Dispatch[] = [];
  for (let entry = 0; entry < batch; entry++) {
    for (const rows of looseChunksOf(caps, m, [4 * k, 4 * n])) {
      for (const cols of looseChunksOf(caps, n, [4 * k])) {
        dispatches.push(product(caps, one(entry, 1, rows, cols)));
      }
    }
  }
  return dispatches;
}

type Range = readonly [from: number, to: number];

function product(caps: Caps, of: Product): Dispatch {
  const { m, n, k, batch, xBatch, wBatch, stride, column, group, alpha, wtype, activation } = of;
  const { x, w, scales, bias, residual, out } = of;
  const flag = (name: string, on: boolean): Constants => (on ? { [name]: 1 } : {});
  const four = (...sizes: number[]): boolean => sizes.every((size) => size % 4 === 0);
  const variant: Constants = {
    ACTIVATION: activation,
    [TYPE_FLAG[wtype]!]: 1,
    ...flag("VEC", four(k, xBatch, wBatch)),
    ...flag("OUT_VEC", four(n, stride, column)),
    ...flag("F16", caps.f16 && wtype === WEIGHT_CODE.f16 && four(k)),
    ...flag("GROUPED", scales.id !== 0 && group !== k),
    ...flag("GROUPS_OF_FOUR", scales.id !== 0 && group !== k && four(k, group)),
  };
  const common = {
    bind: [x, w, scales, bias, residual, out],
    params: {
      batch,
      m,
      n,
      k,
      xBase: x.base,
      xBatch,
      wBase: w.base,
      wBatch,
      scaleBase: scales.base,
      biasBase: bias.base,
      outBase: out.base,
      stride,
      column,
      group,
      scaled: scales.id !== 0 && group === k ? 1 : 0,
      biased: bias.id === 0 ? 0 : 1,
      residual: of.inPlace ? 2 : residual.id === 0 ? 0 : 1,
      alpha,
    },
  };
  if (m <= FEW) {
    const constants = { THREADS: FEW_THREADS, M: powerOfTwo(m), ...variant };
    return { kernel: gemv, constants, ...common, groups: batch * Math.ceil(n / 4) };
  }
  // Large tiles where they fill the machine; small ones waste less at the edges.
  const large = batch * m * n >= 1 << 21 && caps.invocations >= 256 && caps.workgroupBytes >= LARGE.bytes;
  const tile = large ? LARGE : SMALL;
  return {
    kernel: gemm,
    constants: { ...tile.constants, ...variant },
    ...common,
    groups: batch * Math.ceil(m / tile.side) * Math.ceil(n / tile.side),
  };
}
