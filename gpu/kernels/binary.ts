/**
 * Functions of two tensors, the second spread over the first.
 *
 * @module
 */
import type { OpOf } from "../../sdk/device/ops.ts";
import { type Context, type Dispatch, type Kernel, THREADS } from "../kernel.ts";
import { chunksOf, rowsOf, span, tooWide } from "../windows.ts";
import source from "./binary.wgsl" with { type: "text" };

const kernel: Kernel = {
  name: "binary",
  source,
  bindings: { a: "read", b: "read", out: "write" },
  params: { n: "u", base: "u", first: "u", div: "u", period: "u" },
};

/** `binary` as dispatches. */
export function binary(op: OpOf<"binary">, { caps }: Context): Dispatch[] {
  const { n, div, mod: period } = op;
  const wraps = n > div * period;
  if (wraps && 4 * period > caps.maxBinding) throw tooWide(caps, 1, 4 * period);
  return Array.from(chunksOf(caps, n, [4]), ([from, to]) => {
    const begin = wraps ? 0 : Math.floor(from / div);
    const end = wraps ? period : Math.floor((to - 1) / div) + 1;
    const b = span(op.b, begin, end - begin);
    return {
      kernel,
      constants: { THREADS, KIND: op.kind },
      bind: [rowsOf(op.a, 4, from, to), b, rowsOf(op.out, 4, from, to)],
      params: { n: to - from, base: from, first: begin - b.base, div, period },
      groups: Math.ceil((to - from) / THREADS),
    };
  });
}
