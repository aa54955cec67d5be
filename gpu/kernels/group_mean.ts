/**
 * Sums, means and extremes of consecutive members.
 *
 * @module
 */
import type { OpOf } from "../../sdk/device/ops.ts";
import { type Context, type Dispatch, type Kernel, NOTHING, THREADS } from "../kernel.ts";
import { chunksOf, rowsOf } from "../windows.ts";
import source from "./group_mean.wgsl" with { type: "text" };

const kernel: Kernel = {
  name: "group_mean",
  source,
  bindings: { x: "read", counts: "read", out: "write" },
  params: { rows: "u", h: "u", e: "u", g: "u", rowsPerCount: "u" },
};

/** `groupMean` as dispatches. */
export function groupMean(op: OpOf<"groupMean">, { caps }: Context): Dispatch[] {
  const { h, e, g, counts } = op;
  const groups = Math.ceil(h / g);
  const rowsPerCount = Math.max(op.rowsPerCount, 1);
  const widths = [4 * h * e, 4 * groups * e];
  // Chunks begin at counts that begin at aligned bytes.
  const multiple = counts ? 64 * rowsPerCount : 1;
  return Array.from(chunksOf(caps, op.rows, widths, multiple), ([from, to]) => ({
    kernel,
    constants: {
      THREADS,
      HAS_COUNTS: counts ? 1 : 0,
      REAL: counts || op.divisor === 1 ? 1 : 0,
      KIND: op.kind,
    },
    bind: [
      rowsOf(op.x, widths[0]!, from, to),
      counts ? rowsOf(counts, 4, from / rowsPerCount, Math.ceil(to / rowsPerCount)) : NOTHING,
      rowsOf(op.out, widths[1]!, from, to),
    ],
    params: { rows: to - from, h, e, g, rowsPerCount },
    groups: Math.ceil((to - from) * groups * e / THREADS),
  }));
}
