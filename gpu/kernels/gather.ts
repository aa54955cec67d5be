/**
 * Rows by number.
 *
 * @module
 */
import type { OpOf } from "../../sdk/device/ops.ts";
import { type Context, type Dispatch, type Kernel, THREADS } from "../kernel.ts";
import small from "../parts/small.wgsl" with { type: "text" };
import { chunksOf, rowsOf } from "../windows.ts";
import source from "./gather.wgsl" with { type: "text" };

const words: Kernel = {
  name: "gather",
  source,
  bindings: { x: "read", index: "read", out: "write" },
  params: { n: "u", width: "u", first: "u", count: "u", zeros: "u" },
};
const parts: Kernel = { ...words, source: small + source };

/** `gather` as dispatches; `sourceRows` is the number of rows that x has. */
export function gather(op: OpOf<"gather">, { caps }: Context, sourceRows: number): Dispatch[] {
  const { width, size } = byWords(op);
  const bytes = width * size;
  const kernel = size === 4 ? words : parts;
  const constants = size === 4 ? { THREADS, WORDS: 1 } : { THREADS, SIZE: size };
  const dispatches: Dispatch[] = [];
  for (const [from, to] of chunksOf(caps, op.n, [4, bytes])) {
    for (const [first, end] of chunksOf(caps, Math.max(sourceRows, 1), [bytes])) {
      dispatches.push({
        kernel,
        constants,
        bind: [
          rowsOf(op.x, bytes, first, end),
          rowsOf(op.index, 4, from, to),
          rowsOf(op.out, bytes, from, to),
        ],
        params: { n: to - from, width, first, count: end - first, zeros: first === 0 ? 1 : 0 },
        groups: Math.ceil((to - from) * width / THREADS),
      });
    }
  }
  return dispatches;
}

/** Width and element size of rows, in words if rows are made of words. */
export function byWords({ width, size }: { readonly width: number; readonly size: number }): {
  width: number;
  size: number;
} {
  return width * size % 4 === 0 ? { width: width * size / 4, size: 4 } : { width, size };
}
