/**
 * Other element types.
 *
 * @module
 */
import { DTYPE_CODE, type OpOf } from "../../sdk/device/ops.ts";
import { type Context, type Dispatch, type Kernel, THREADS } from "../kernel.ts";
import halves from "../parts/halves.wgsl" with { type: "text" };
import { chunksOf, rowsOf } from "../windows.ts";
import source from "./cast.wgsl" with { type: "text" };

const kernel: Kernel = {
  name: "cast",
  source: halves + source,
  bindings: { x: "read", out: "write" },
  params: { n: "u" },
};

/** Bytes of an element by the number of its type. */
const BYTES: Readonly<Record<number, number>> = { 0: 4, 1: 2, 2: 1, 3: 4, 4: 1 };

/** `cast` as dispatches. */
export function cast(op: OpOf<"cast">, { caps }: Context): Dispatch[] {
  const [from, to] = [BYTES[op.from]!, BYTES[op.to]!];
  return Array.from(chunksOf(caps, op.n, [from, to]), ([begin, end]) => ({
    kernel,
    constants: { THREADS, FROM: op.from, TO: op.to },
    bind: [rowsOf(op.x, from, begin, end), rowsOf(op.out, to, begin, end)],
    params: { n: end - begin },
    groups: Math.ceil((end - begin) / (op.to === DTYPE_CODE.f16 ? 2 : 1) / THREADS),
  }));
}
