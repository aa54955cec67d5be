/**
 * Rotary position embedding.
 *
 * @module
 */
import type { OpOf } from "../../sdk/device/ops.ts";
import { type Context, type Dispatch, type Kernel, THREADS } from "../kernel.ts";
import { chunksOf, rowsOf } from "../windows.ts";
import source from "./rope.wgsl" with { type: "text" };

const kernel: Kernel = {
  name: "rope",
  source,
  bindings: { freqs: "read", x: "write" },
  params: {
    rows: "u",
    first: "u",
    stride: "u",
    offset: "u",
    heads: "u",
    headDim: "u",
    length: "u",
    start: "u",
    interleaved: "u",
  },
};

/** `rope` as dispatches. */
export function rope(op: OpOf<"rope">, { caps }: Context): Dispatch[] {
  const { stride, offset, heads, headDim, length, start, interleaved } = op;
  return Array.from(chunksOf(caps, op.rows, [4 * stride]), ([from, to]) => ({
    kernel,
    constants: { THREADS },
    bind: [rowsOf(op.freqs, 4, 0, headDim / 2), rowsOf(op.x, 4 * stride, from, to)],
    params: { rows: to - from, first: from, stride, offset, heads, headDim, length, start, interleaved },
    groups: Math.ceil((to - from) * heads * headDim / 2 / THREADS),
  }));
}
