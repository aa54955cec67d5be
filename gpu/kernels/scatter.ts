/**
 * Rows to numbers.
 *
 * @module
 */
import type { OpOf } from "../../sdk/device/ops.ts";
import { type Context, type Dispatch, type Kernel, THREADS } from "../kernel.ts";
import small from "../parts/small.wgsl" with { type: "text" };
import { chunksOf, rowsOf } from "../windows.ts";
import { byWords } from "./gather.ts";
import source from "./scatter.wgsl" with { type: "text" };

const words: Kernel = {
  name: "scatter",
  source,
  bindings: { x: "read", index: "read", out: "write" },
  params: { n: "u", width: "u", first: "u", count: "u" },
};
const parts: Kernel = { ...words, source: small + source };

/** `scatter` as dispatches; `targetRows` is the number of rows that out has. */
export function scatter(op: OpOf<"scatter">, { caps }: Context, targetRows: number): Dispatch[] {
  const { width, size } = byWords(op);
  const bytes = width * size;
  const kernel = size === 4 ? words : parts;
  const constants = size === 4 ? { THREADS, WORDS: 1 } : { THREADS, SIZE: size };
  const dispatches: Dispatch[] = [];
  for (const [from, to] of chunksOf(caps, op.n, [4, bytes])) {
    for (const [first, end] of chunksOf(caps, Math.max(targetRows, 1), [bytes])) {
      dispatches.push({
        kernel,
        constants,
        bind: [
          rowsOf(op.x, bytes, from, to),
          rowsOf(op.index, 4, from, to),
          rowsOf(op.out, bytes, first, end),
        ],
        params: { n: to - from, width, first, count: end - first },
        groups: Math.ceil((to - from) * width / THREADS),
      });
    }
  }
  return dispatches;
}
