/**
 * Runs a function in a scope of its own.
 *
 * @module
 */
import type { Device, Scope } from "./device.ts";
import type { Tensor } from "./tensor.ts";

/** What {@linkcode scoped} can keep: a tensor, a list or a flat record of them; other values pass through. */
export type Kept = Tensor | readonly Tensor[] | { readonly [name: string]: Tensor | undefined };

/**
 * Runs a synchronous function in a scope, keeps the tensors that it returns and frees the rest, also when it throws.
 *
 * Tensors that were made elsewhere may be returned too: they stay with their owner.
 *
 * @param device The device or scope that receives what is kept.
 * @param run Gets the scope; returns what is to outlive it. Not async: the scope ends with the call.
 * @returns What `run` returned.
 * @example
 * ```ts
 * import { openDevice, scoped, softmax, unary } from "./mod.ts";
 *
 * const device = await openDevice();
 * const x = device.tensor(Float32Array.of(1, 2, 3), [3]);
 * const y = scoped(device, (s) => softmax(s, unary(s, "exp", x)));
 * console.log(device.report.tensors); // 2: x and y
 * device.dispose();
 * ```
 * @throws TypeError if `run` returns a promise.
 */
export function scoped<T extends Kept>(device: Device, run: (scope: Scope) => T): T {
  const scope = device.scope();
  try {
    const result = run(scope);
    if (result instanceof Promise) {
      throw new TypeError(
        "Cannot run an async function in scoped(): make a scope with device.scope() and dispose it yourself",
      );
    }
    if (isTensor(result)) scope.keep(result);
    else for (const tensor of Object.values(result)) if (tensor !== undefined) scope.keep(tensor as Tensor);
    return result;
  } finally {
    scope.dispose();
  }
}

function isTensor(value: Kept): value is Tensor {
  return "id" in value && "device" in value && "read" in value;
}
