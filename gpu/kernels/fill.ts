/**
 * One value everywhere.
 *
 * @module
 */
import type { OpOf } from "../../sdk/device/ops.ts";
import { type Caps, type Context, type Dispatch, type Kernel, THREADS } from "../kernel.ts";
import { chunksOf, rowsOf } from "../windows.ts";
import source from "./fill.wgsl" with { type: "text" };

const kernel: Kernel = { name: "fill", source, bindings: { out: "write" }, params: { n: "u", bits: "u" } };

/** `fill` as dispatches. */
export function fill(op: OpOf<"fill">, { caps }: Context): Dispatch[] {
  return fillBits(caps, op.out, op.n, new Uint32Array(Float32Array.of(op.value).buffer)[0]!);
}

/** The same for any words: `n` of buffer `out` become `bits`. */
export function fillBits(caps: Caps, out: number, n: number, bits: number): Dispatch[] {
  return Array.from(chunksOf(caps, n, [4]), ([from, to]) => ({
    kernel,
    constants: { THREADS },
    bind: [rowsOf(out, 4, from, to)],
    params: { n: to - from, bits },
    groups: Math.ceil((to - from) / THREADS),
  }));
}
