/**
 * Functions of every element.
 *
 * @module
 */
import type { OpOf } from "../../sdk/device/ops.ts";
import { type Context, type Dispatch, type Kernel, THREADS } from "../kernel.ts";
import functions from "../parts/functions.wgsl" with { type: "text" };
import { chunksOf, rowsOf } from "../windows.ts";
import source from "./unary.wgsl" with { type: "text" };

const kernel: Kernel = {
  name: "unary",
  source: functions + source,
  bindings: { x: "read", out: "write" },
  params: { n: "u" },
};

/** `unary` as dispatches. */
export function unary(op: OpOf<"unary">, { caps }: Context): Dispatch[] {
  return Array.from(chunksOf(caps, op.n, [4]), ([from, to]) => ({
    kernel,
    constants: { THREADS, KIND: op.kind },
    bind: [rowsOf(op.x, 4, from, to), rowsOf(op.out, 4, from, to)],
    params: { n: to - from },
    groups: Math.ceil((to - from) / THREADS),
  }));
}
