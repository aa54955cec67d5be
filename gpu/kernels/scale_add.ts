/**
 * Vectors scaled by numbers.
 *
 * @module
 */
import type { OpOf } from "../../sdk/device/ops.ts";
import { type Context, type Dispatch, type Kernel, THREADS } from "../kernel.ts";
import { chunksOf, rowsOf } from "../windows.ts";
import source from "./scale_add.wgsl" with { type: "text" };

const kernel: Kernel = {
  name: "scale_add",
  source,
  bindings: { x: "read", w: "read", bias: "read", out: "write" },
  params: { n: "u", e: "u" },
};

/** `scaleAdd` as dispatches. */
export function scaleAdd(op: OpOf<"scaleAdd">, { caps }: Context): Dispatch[] {
  const wide = 4 * op.e;
  return Array.from(chunksOf(caps, op.n, [4, wide]), ([from, to]) => ({
    kernel,
    constants: { THREADS },
    bind: [
      rowsOf(op.x, 4, from, to),
      ...[op.w, op.bias, op.out].map((id) => rowsOf(id, wide, from, to)),
    ],
    params: { n: to - from, e: op.e },
    groups: Math.ceil((to - from) * op.e / THREADS),
  }));
}
