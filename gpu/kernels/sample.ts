/**
 * Draws from the softmax of rows.
 *
 * @module
 */
import type { OpOf } from "../../sdk/device/ops.ts";
import { type Context, type Dispatch, type Kernel, THREADS } from "../kernel.ts";
import functions from "../parts/functions.wgsl" with { type: "text" };
import { chunksOf, rowsOf } from "../windows.ts";
import source from "./sample.wgsl" with { type: "text" };

const kernel: Kernel = {
  name: "sample",
  source: functions + source,
  bindings: { x: "read", out: "write" },
  params: { rows: "u", cols: "u", first: "u", scale: "f", seed: "u", draw: "u" },
};

/** `sample` as dispatches. */
export function sample(op: OpOf<"sample">, { caps }: Context): Dispatch[] {
  const { cols, scale, seed, draw } = op;
  return Array.from(chunksOf(caps, op.rows, [4 * cols, 4]), ([from, to]) => ({
    kernel,
    constants: { THREADS },
    bind: [rowsOf(op.x, 4 * cols, from, to), rowsOf(op.out, 4, from, to)],
    params: { rows: to - from, cols, first: from, scale, seed, draw },
    groups: to - from,
  }));
}
