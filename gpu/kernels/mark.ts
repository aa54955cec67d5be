/**
 * Ones where indices point.
 *
 * @module
 */
import type { OpOf } from "../../sdk/device/ops.ts";
import { type Context, type Dispatch, type Kernel, THREADS } from "../kernel.ts";
import { chunksOf, rowsOf } from "../windows.ts";
import { fillBits } from "./fill.ts";
import source from "./mark.wgsl" with { type: "text" };

const kernel: Kernel = {
  name: "mark",
  source,
  bindings: { index: "read", counts: "read", out: "write" },
  params: { rows: "u", k: "u", cols: "u" },
};

/** `mark` as dispatches: zeros, then ones. */
export function mark(op: OpOf<"mark">, { caps }: Context): Dispatch[] {
  const { k, cols } = op;
  const zeros = fillBits(caps, op.out, op.rows * cols, 0);
  if (k === 0) return zeros;
  const ones = Array.from(chunksOf(caps, op.rows, [4 * k, 4 * cols, 4]), ([from, to]) => ({
    kernel,
    constants: { THREADS, ...(op.counts && { HAS_COUNTS: 1 }) },
    bind: [
      rowsOf(op.index, 4 * k, from, to),
      rowsOf(op.counts, 4, from, to),
      rowsOf(op.out, 4 * cols, from, to),
    ],
    params: { rows: to - from, k, cols },
    groups: Math.ceil((to - from) * k / THREADS),
  }));
  return [...zeros, ...ones];
}
