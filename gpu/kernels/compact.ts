/**
 * Stream compaction: the columns whose flag is set.
 *
 * @module
 */
import { DTYPE_CODE, type OpOf } from "../../sdk/device/ops.ts";
import { type Context, type Dispatch, type Kernel, THREADS } from "../kernel.ts";
import { chunksOf, rowsOf } from "../windows.ts";
import source from "./compact.wgsl" with { type: "text" };
import nonzeroSource from "./nonzero.wgsl" with { type: "text" };
import { scan } from "./scan.ts";

const kernel: Kernel = {
  name: "compact",
  source,
  bindings: { flags: "read", places: "read", out: "write", counts: "write" },
  params: { rows: "u", cols: "u", capacity: "u", step: "u" },
};

const nonzero: Kernel = {
  name: "nonzero",
  source: nonzeroSource,
  bindings: { x: "read", out: "write" },
  params: { n: "u" },
};

/** `compact` as dispatches: ones, their prefix sums, and everyone to his place. */
export function compact(op: OpOf<"compact">, context: Context): Dispatch[] {
  const { cols, capacity, step } = op;
  const wide = Math.max(cols, capacity);
  return Array.from(chunksOf(context.caps, op.rows, [4 * cols, 4 * capacity, 4]), ([from, to]) => {
    const rows = to - from;
    const n = rows * cols;
    const [ones, places] = [context.scratch(4 * n), context.scratch(4 * n)];
    const flags = rowsOf(op.x, 4 * cols, from, to);
    const scanned = {
      op: "scan",
      x: ones,
      out: places,
      rows,
      cols,
      exclusive: 1,
      dtype: DTYPE_CODE.i32,
    } as const;
    return [
      {
        kernel: nonzero,
        constants: { THREADS },
        bind: [flags, rowsOf(ones, 4, 0, n)],
        params: { n },
        groups: Math.ceil(n / THREADS),
      },
      ...scan(scanned, context),
      {
        kernel,
        constants: { THREADS },
        bind: [
          flags,
          rowsOf(places, 4, 0, n),
          rowsOf(op.out, 4 * capacity, from, to),
          rowsOf(op.counts, 4, from, to),
        ],
        params: { rows, cols, capacity, step },
        groups: Math.ceil(rows * wide / THREADS),
      },
    ];
  }).flat();
}
