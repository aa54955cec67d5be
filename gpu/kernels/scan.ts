/**
 * Prefix sums of rows. A row of many chunks takes three steps: the chunks' sums, their prefix sums, the chunks.
 *
 * @module
 */
import { DTYPE_CODE, type OpOf } from "../../sdk/device/ops.ts";
import { type Context, type Dispatch, type Kernel, NOTHING, THREADS } from "../kernel.ts";
import { chunksOf, rowsOf } from "../windows.ts";
import source from "./scan.wgsl" with { type: "text" };

const kernel: Kernel = {
  name: "scan",
  source,
  bindings: { x: "read", before: "read", out: "write" },
  params: { rows: "u", cols: "u", chunks: "u", exclusive: "u" },
};

/** Columns that a workgroup adds up. */
const CHUNK = 4 * THREADS;

/** `scan` as dispatches. */
export function scan(op: OpOf<"scan">, context: Context): Dispatch[] {
  const { cols, exclusive } = op;
  const constants = { THREADS, CHUNK, ...(op.dtype === DTYPE_CODE.i32 && { INTEGER: 1 }) };
  const chunks = Math.ceil(cols / CHUNK);
  return Array.from(chunksOf(context.caps, op.rows, [4 * cols]), ([from, to]) => {
    const rows = to - from;
    const x = rowsOf(op.x, 4 * cols, from, to);
    const out = rowsOf(op.out, 4 * cols, from, to);
    const params = { rows, cols, chunks, exclusive };
    const groups = rows * chunks;
    if (chunks === 1) return [{ kernel, constants, bind: [x, NOTHING, out], params, groups }];
    const [sums, before] = [context.scratch(4 * groups), context.scratch(4 * groups)];
    const all = rowsOf(sums, 4, 0, groups);
    return [
      { kernel, constants: { ...constants, SUMS: 1 }, bind: [x, NOTHING, all], params, groups },
      ...scan({ ...op, x: sums, out: before, rows, cols: chunks, exclusive: 1 }, context),
      {
        kernel,
        constants: { ...constants, HAS_BEFORE: 1 },
        bind: [x, rowsOf(before, 4, 0, groups), out],
        params,
        groups,
      },
    ];
  }).flat();
}
