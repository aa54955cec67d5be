/**
 * Sums of attention maps along their lines.
 *
 * @module
 */
import type { OpOf } from "../../sdk/device/ops.ts";
import { type Context, type Dispatch, type Kernel, THREADS } from "../kernel.ts";
import { looseChunksOf, NOWHERE, type Span, span } from "../windows.ts";
import { fillBits } from "./fill.ts";
import source from "./line_sums.wgsl" with { type: "text" };

const kernel: Kernel = {
  name: "line_sums",
  source,
  bindings: { x: "read", starts: "read", columns: "write", diagonals: "write" },
  params: { batch: "u", n: "u", length: "u", parts: "u", each: "u", xBase: "u", outBase: "u" },
};

/** Threads that keep a large GPU busy. */
const ENOUGH = 1 << 17;
/** Rows that a thread should add up at least. */
const LEAST = 16;

/** `lineSums` as dispatches: wide maps in one step, a few narrow ones in parts whose sums are summed. */
export function lineSums(op: OpOf<"lineSums">, context: Context): Dispatch[] {
  const { n, length } = op;
  const { caps } = context;
  const outputs = [op.columns, op.diagonals];
  if (n === 0) return outputs.flatMap((id) => id ? fillBits(caps, id, op.batch * length, 0) : []);
  const starts = op.diagonals ? span(op.starts, 0, n) : NOWHERE;
  return Array.from(looseChunksOf(caps, op.batch, [4 * n * length, 4 * length]), ([from, to]) => {
    const batch = to - from;
    const x = span(op.x, from * n * length, batch * n * length);
    const sums = outputs.map((id) => span(id, from * length, batch * length));
    const wanted = Math.min(Math.ceil(ENOUGH / (batch * length)), Math.ceil(n / LEAST));
    const each = Math.ceil(n / wanted);
    const parts = Math.ceil(n / each);
    if (parts === 1) return [sumRows(x, starts, sums, { batch, n, length, parts, each })];
    const count = batch * parts * length;
    const partial = outputs.map((id) => id ? span(context.scratch(4 * count), 0, count) : NOWHERE);
    const whole = { batch, n: parts, length, parts: 1, each: parts };
    return [
      sumRows(x, starts, partial, { batch, n, length, parts, each }),
      ...sums.flatMap((sum, i) => sum.id ? [sumRows(partial[i]!, NOWHERE, [sum, NOWHERE], whole)] : []),
    ];
  }).flat();
}

/** Sums of columns, and of diagonals if there are `starts`. */
function sumRows(
  x: Span,
  starts: Span,
  sums: readonly Span[],
  sizes: { readonly batch: number; readonly length: number; readonly parts: number } & Dispatch["params"],
): Dispatch {
  return {
    kernel,
    constants: { THREADS, ...(starts.id !== 0 && { DIAGONALS: 1 }) },
    bind: [x, starts, ...sums],
    params: { ...sizes, xBase: x.base, outBase: sums[0]!.base },
    groups: Math.ceil(sizes.batch * sizes.parts * sizes.length / THREADS),
  };
}
