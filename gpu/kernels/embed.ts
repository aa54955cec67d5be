/**
 * Numbers to vectors.
 *
 * @module
 */
import type { OpOf } from "../../sdk/device/ops.ts";
import { type Context, type Dispatch, type Kernel, THREADS } from "../kernel.ts";
import { chunksOf, rowsOf } from "../windows.ts";
import source from "./embed.wgsl" with { type: "text" };

const kernel: Kernel = {
  name: "embed",
  source,
  bindings: { x: "read", w: "read", bias: "read", out: "write" },
  params: { n: "u", e: "u", useSkip: "u", skip: "f" },
};

/** `embed` as dispatches. */
export function embed(op: OpOf<"embed">, { caps }: Context): Dispatch[] {
  const { e, useSkip, skip } = op;
  return Array.from(chunksOf(caps, op.n, [4, 4 * e]), ([from, to]) => ({
    kernel,
    constants: { THREADS },
    bind: [
      rowsOf(op.x, 4, from, to),
      rowsOf(op.w, 4, 0, e),
      rowsOf(op.bias, 4, 0, e),
      rowsOf(op.out, 4 * e, from, to),
    ],
    params: { n: to - from, e, useSkip, skip },
    groups: Math.ceil((to - from) * e / THREADS),
  }));
}
