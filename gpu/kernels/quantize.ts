/**
 * Codes of rows: the range of every group, then the codes.
 *
 * @module
 */
import type { OpOf } from "../../sdk/device/ops.ts";
import { type Context, type Dispatch, type Kernel, powerOfTwo, THREADS } from "../kernel.ts";
import folds from "../parts/rows.wgsl" with { type: "text" };
import { chunksOf, rowsOf } from "../windows.ts";
import source from "./quantize.wgsl" with { type: "text" };

const params = { groups: "u", group: "u" } as const;
const ranges: Kernel = {
  name: "quantize_ranges",
  source: folds + source,
  bindings: { x: "read", ranges: "write", factors: "write" },
  params,
};
const codes: Kernel = {
  name: "quantize",
  source,
  bindings: { x: "read", ranges: "read", factors: "read", codes: "write" },
  params,
};

/** `quantize` as dispatches. */
export function quantize(op: OpOf<"quantize">, context: Context): Dispatch[] {
  const { cols, bits, group } = op;
  const each = cols / group;
  const widths = [4 * cols, cols * bits / 8, 8 * each, 4 * each];
  const lanes = Math.min(32, powerOfTwo(group));
  return Array.from(chunksOf(context.caps, op.rows, widths), ([from, to]): Dispatch[] => {
    const groups = (to - from) * each;
    const x = rowsOf(op.x, 4 * cols, from, to);
    const meta = rowsOf(op.meta, 8 * each, from, to);
    const factors = rowsOf(context.scratch(4 * groups), 4, 0, groups);
    return [{
      kernel: ranges,
      constants: { THREADS, LANES: lanes, BITS: bits, RANGES: 1 },
      bind: [x, meta, factors],
      params: { groups, group },
      groups: Math.ceil(groups * lanes / THREADS),
    }, {
      kernel: codes,
      constants: { THREADS, BITS: bits },
      bind: [x, meta, factors, rowsOf(op.codes, cols * bits / 8, from, to)],
      params: { groups, group },
      groups: Math.ceil(groups * group * bits / 32 / THREADS),
    }];
  }).flat();
}
