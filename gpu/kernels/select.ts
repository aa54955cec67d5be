/**
 * Radix selection: the largest of each row in no order, for a top-k of so many that they had better be sorted alone.
 *
 * @module
 */
import { type Context, type Dispatch, type Kernel, NOTHING, THREADS, type Window } from "../kernel.ts";
import digits from "../parts/digits.wgsl" with { type: "text" };
import keys from "../parts/keys.wgsl" with { type: "text" };
import { rowsOf } from "../windows.ts";
import { fillBits } from "./fill.ts";
import source from "./select.wgsl" with { type: "text" };

const kernel: Kernel = {
  name: "select",
  source: keys + digits + source,
  bindings: {
    x: "read",
    counts: "write",
    candidates: "write",
    taken: "write",
    values: "write",
    indices: "write",
  },
  params: { rows: "u", cols: "u", chunks: "u", take: "u", size: "u" },
};

/** Values of 11 bits, and words that are counted for a row: one for each of them, and two more. */
const BINS = 2048;
const STRIDE = BINS + 2;
/** Numbers that a thread looks at, and threads of a workgroup at most that looks at numbers, and that takes the rest. */
const PER = 16;
const LOOKERS = 512;
const TAKERS = 1024;

/** Where the largest go: order-keeping bits and column of each, rows of `size`; or apart, in `values` and `indices`. */
export type Taken = Readonly<Record<"taken", Window>> | Readonly<Record<"values" | "indices", Window>>;

/**
 * The `take` largest of each row.
 *
 * @param x The rows.
 */
export function select(
  x: Window,
  to: Taken,
  sizes: { readonly rows: number; readonly cols: number; readonly take: number; readonly size: number },
  context: Context,
): Dispatch[] {
  const { rows, cols } = sizes;
  const counts = rowsOf(context.scratch(4 * STRIDE * rows), 4 * STRIDE, 0, rows);
  const candidates = rowsOf(context.scratch(8 * cols * rows), 8 * cols, 0, rows);
  const threads = (most: number): number => context.caps.invocations >= most ? most : THREADS;
  const lookers = threads(LOOKERS);
  const chunks = Math.ceil(cols / (PER * lookers));
  const params = { ...sizes, chunks };
  const many = { THREADS: lookers, PER, EACH: BINS / lookers };
  const apart = "taken" in to ? {} : { APART: 1 };
  const out = "taken" in to ? [to.taken, NOTHING, NOTHING] : [NOTHING, to.values, to.indices];
  return [
    ...fillBits(context.caps, counts.id, STRIDE * rows, 0),
    {
      kernel,
      constants: { ...many, COUNT: 1 },
      bind: [x, counts, NOTHING, NOTHING, NOTHING, NOTHING],
      params,
      groups: rows * chunks,
    },
    {
      kernel,
      constants: { ...many, SPLIT: 1, ...apart },
      bind: [x, counts, candidates, ...out],
      params,
      groups: rows * chunks,
    },
    {
      kernel,
      constants: { THREADS: threads(TAKERS), ...apart },
      bind: [NOTHING, counts, candidates, ...out],
      params,
      groups: rows,
    },
  ];
}
