/**
 * Pruned rows as bitmaps and the values that are left (Mustafar).
 *
 * @module
 */
import type { Storage, StorageSpec } from "./storage.ts";
import { BitmapStore } from "./bitmap_store.ts";

/** Tokens of a tile. */
const TILE = 64;

/** Options of {@linkcode bitmap}. */
export interface BitmapOptions {
  /** Share of every key and value that is set to zero, from 0 to below 1; 0 keeps everything. @default { k: 0.7, v: 0.7 } */
  readonly sparsity?: { readonly k: number; readonly v: number };
  /** Newest tokens that stay as they are. @default 32 */
  readonly window?: number;
  /** Tokens that are compressed at once, a multiple of 64: so many more than `window` wait at most. @default 256 */
  readonly chunk?: number;
  /** Element type of the tokens that wait; compressed ones are float16. @default "f16" */
  readonly type?: "f32" | "f16";
}

/**
 * Sets the smallest elements of every key and value to zero and keeps the others in a bitmap format, whose rows attention reads as they are.
 *
 * Of D elements those at or above the m-th smallest magnitude stay, m = max(1, floor(sparsity * D)). Tokens are compressed in the order in which they leave the window.
 *
 * @see Mustafar: Promoting Unstructured Sparsity for KV Cache Pruning in LLM Inference, https://arxiv.org/abs/2505.22913
 * @throws RangeError if an option is out of range; heads must have a multiple of 64 columns.
 */
export function bitmap(options: BitmapOptions = {}): Storage {
  const { sparsity = { k: 0.7, v: 0.7 }, window = 32, chunk = 256, type = "f16" } = options;
  for (const [name, share] of Object.entries(sparsity)) {
    if (!(share >= 0 && share < 1)) {
      throw new RangeError(
        `Cannot use bitmap: the sparsity of ${name} is ${share}, expected a share from 0 to below 1`,
      );
    }
  }
  if (!(Number.isInteger(window) && window >= 0)) {
    throw new RangeError(`Cannot use bitmap: "window" is ${window}, expected a whole number from 0`);
  }
  if (!(Number.isInteger(chunk) && chunk > 0 && chunk % TILE === 0)) {
    throw new RangeError(`Cannot use bitmap: "chunk" is ${chunk}, expected a multiple of ${TILE}`);
  }
  if (type !== "f32" && type !== "f16") {
    throw new RangeError(`Cannot use bitmap: "type" is "${type}", expected "f32" or "f16"`);
  }
  const spec = { name: "bitmap", sparsity, window, chunk, type };
  return {
    spec,
    open: (device, shape) =>
      new BitmapStore(device, shape, { ...bitmapDrops(spec, shape.headDim), window, chunk, type }),
  };
}

/** Which smallest magnitude of a row, counted from 1, is the least that stays: m of {@linkcode bitmap}. */
export function bitmapDrops(spec: StorageSpec, headDim: number): { readonly k: number; readonly v: number } {
  if (headDim % TILE !== 0 || headDim === 0) {
    throw new RangeError(
      `Cannot use bitmap: heads have ${headDim} columns, expected a multiple of ${TILE}; use quantized() instead`,
    );
  }
  const { k, v } = spec["sparsity"] as { readonly k: number; readonly v: number };
  const drop = (share: number): number => Math.max(1, Math.trunc(share * headDim));
  return { k: drop(k), v: drop(v) };
}
