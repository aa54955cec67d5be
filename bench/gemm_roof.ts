/**
 * The roof of one thread: multiply-adds on registers alone, in the same build as the kernels.
 *
 * @module
 */
import { decodeBase64 } from "../wasm/compile.ts";
import { hostEnv, type Variant } from "../wasm/env.ts";

/** Vector multiply-adds of one round of the kernel `roof`, and operations of each. */
const PER_ROUND = 12 * 4 * 2;

/** A call that does `flops` operations and touches no memory. */
export async function openRoof(variant: Exclude<Variant, "threads">, flops: number): Promise<() => void> {
  const module = await hostEnv.compile(decodeBase64(await hostEnv.load(variant)));
  const stub = (): never => {
    throw new Error("The roof needs nothing from outside");
  };
  const imports: WebAssembly.Imports = {};
  for (const { module: from, name } of WebAssembly.Module.imports(module)) (imports[from] ??= {})[name] = stub;
  const { exports } = new WebAssembly.Instance(module, imports);
  const roof = exports.roof as (rounds: number, seed: number) => number;
  const roundsPerCall = Math.round(flops / PER_ROUND);
  return () => {
    if (!Number.isFinite(roof(roundsPerCall, 1))) throw new Error("The roof gave no number");
  };
}
