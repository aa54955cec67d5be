/**
 * Operations on rows that fold every row to a number on the way: norms, softmax, reductions.
 *
 * @module
 */
import type { OpOf } from "../../sdk/device/ops.ts";
import type { Constants } from "../template.ts";
import {
  type Caps,
  type Context,
  type Dispatch,
  type Kernel,
  powerOfTwo,
  THREADS,
  type Window,
} from "../kernel.ts";
import rows from "../parts/rows.wgsl" with { type: "text" };
import { chunksOf, fits, rowsOf, tooWide } from "../windows.ts";
import layerNormSource from "./layer_norm.wgsl" with { type: "text" };
import reduceSource from "./reduce.wgsl" with { type: "text" };
import rmsNormSource from "./rms_norm.wgsl" with { type: "text" };
import softmaxSource from "./softmax.wgsl" with { type: "text" };

const layerNormKernel: Kernel = {
  name: "layer_norm",
  source: rows + layerNormSource,
  bindings: { x: "read", weight: "read", bias: "read", out: "write" },
  params: { rows: "u", cols: "u", eps: "f" },
};

const rmsNormKernel: Kernel = {
  name: "rms_norm",
  source: rows + rmsNormSource,
  bindings: { x: "read", weight: "read", out: "write" },
  params: { rows: "u", cols: "u", eps: "f" },
};

const softmaxKernel: Kernel = {
  name: "softmax",
  source: rows + softmaxSource,
  bindings: { x: "read", lens: "read", out: "write" },
  params: { rows: "u", cols: "u", first: "u", period: "u", scale: "f" },
};

const reduceKernel: Kernel = {
  name: "reduce",
  source: rows + reduceSource,
  bindings: { x: "read", out: "write" },
  params: { rows: "u", cols: "u" },
};

/** `layerNorm` as dispatches. */
export function layerNorm(op: OpOf<"layerNorm">, { caps }: Context): Dispatch[] {
  const { rows: count, cols, eps } = op;
  const shared = [rowsOf(op.weight, 4, 0, cols), rowsOf(op.bias, 4, 0, cols)];
  const bind = (x: Window, out: Window) => [x, ...shared, out];
  return byRows(layerNormKernel, caps, count, cols, 4 * cols, bind, op, () => ({ eps }));
}

/** `rmsNorm` as dispatches. */
export function rmsNorm(op: OpOf<"rmsNorm">, { caps }: Context): Dispatch[] {
  const { rows: count, cols, eps } = op;
  const weight = rowsOf(op.weight, 4, 0, cols);
  const bind = (x: Window, out: Window) => [x, weight, out];
  return byRows(rmsNormKernel, caps, count, cols, 4 * cols, bind, op, () => ({ eps }));
}

/** `softmax` as dispatches. */
export function softmax(op: OpOf<"softmax">, { caps }: Context): Dispatch[] {
  const { rows: count, cols, period, scale } = op;
  const lens = rowsOf(op.lens, 4, 0, period);
  if (!fits(caps, lens)) throw tooWide(caps, 1, lens.bytes);
  const bind = (x: Window, out: Window) => [x, lens, out];
  const params = (first: number) => ({ first, period, scale });
  const more: Constants = op.lens ? { HAS_LENS: 1 } : {};
  return byRows(softmaxKernel, caps, count, cols, 4 * cols, bind, op, params, more);
}

/** `reduce` as dispatches. */
export function reduce(op: OpOf<"reduce">, { caps }: Context): Dispatch[] {
  const { rows: count, cols, kind } = op;
  return byRows(reduceKernel, caps, count, cols, 4, (x, out) => [x, out], op, () => ({}), { KIND: kind });
}

function byRows(
  kernel: Kernel,
  caps: Caps,
  rows: number,
  cols: number,
  outBytes: number,
  bind: (x: Window, out: Window) => Window[],
  ids: { readonly x: number; readonly out: number },
  params: (from: number) => Dispatch["params"],
  more: Constants = {},
): Dispatch[] {
  const { lanes, constants } = lanesFor(caps, cols);
  return Array.from(chunksOf(caps, rows, [4 * cols, outBytes]), ([from, to]) => ({
    kernel,
    constants: { ...constants, ...more },
    bind: bind(rowsOf(ids.x, 4 * cols, from, to), rowsOf(ids.out, outBytes, from, to)),
    params: { rows: to - from, cols, ...params(from) },
    groups: Math.ceil((to - from) * lanes / THREADS),
  }));
}

/** Threads for a row: about one for every four columns; a whole workgroup folds by subgroups where it can. */
function lanesFor(caps: Caps, cols: number): { lanes: number; constants: Constants } {
  const lanes = Math.min(THREADS, Math.max(1, powerOfTwo(cols / 4)));
  const constants: Constants = { THREADS, LANES: lanes };
  return {
    lanes,
    constants: lanes === THREADS && caps.subgroups ? { ...constants, SUBGROUPS: 1 } : constants,
  };
}
