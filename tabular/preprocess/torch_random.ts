/**
 * PyTorch's CPU generator, as far as the random links need it (SPEC 4.2).
 *
 * @module
 */

import { initGenrand } from "./mt19937.ts";

/** What `torch.manual_seed(seed)` starts: permutations drawn one after another from one state. */
export interface TorchRandom {
  /** `torch.randperm(n)`: a random permutation of 0 .. n - 1. */
  randperm(n: number): Int32Array;
  /** The first `count` entries (or all `n`) of `randperm(n)`; the state moves on as for the whole. */
  randpermHead(n: number, count: number): Int32Array;
}

/**
 * Makes a generator.
 *
 * @param seed An integer within 2^53 - 1, taken modulo 2^32.
 * @returns A generator; all its calls go on from one state.
 * @throws {RangeError} The seed is not a safe integer.
 */
export function torchRandom(seed: number): TorchRandom {
  const twister = initGenrand(seed);
  let scratch = new Int32Array(0);

  const randpermHead = (n: number, count: number): Int32Array => {
    if (scratch.length < n) scratch = new Int32Array(n);
    for (let i = 0; i < n; i++) scratch[i] = i;
    const draws = Math.max(0, n - 1);
    // A swap at i touches places from i on only, so the head is final after `count` of them.
    const swaps = Math.min(draws, count);
    for (let i = 0; i < swaps; i++) {
      const j = i + (twister.next() % (n - i));
      const held = scratch[i]!;
      scratch[i] = scratch[j]!;
      scratch[j] = held;
    }
    twister.skip(draws - swaps);
    return scratch.slice(0, Math.min(n, count));
  };

  return { randperm: (n) => randpermHead(n, n), randpermHead };
}
