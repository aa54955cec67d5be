/**
 * The product of two batches of matrices.
 *
 * @module
 */
import type { Device } from "../device.ts";
import type { Tensor } from "../tensor.ts";
import { expectFinite, expectRank, use } from "./_check.ts";
import { fill } from "./fill.ts";

/** Options of {@linkcode matmul}. */
export interface MatmulOptions {
  /** Factor of every sum. @default 1 */
  readonly alpha?: number;
}

/**
 * Computes alpha * a b^T for every matrix of a batch.
 *
 * @param d Receives the result.
 * @param a [m, k] or [batch, m, k].
 * @param b [n, k] or [batch, n, k]; a batch of 1 or none is shared.
 * @returns [m, n] if neither has a batch axis, else [batch, m, n].
 * @throws RangeError if shapes do not fit.
 */
export function matmul(d: Device, a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  const { alpha = 1 } = options;
  const ids = { a: use(d, "matmul", "a", a), b: use(d, "matmul", "b", b) };
  expectRank("matmul", "a", a, 2, 3);
  expectRank("matmul", "b", b, 2, 3);
  expectFinite("matmul", "alpha", alpha);
  const [aCount, m, k] = matrices(a);
  const [bCount, n, kOfB] = matrices(b);
  if (k !== kOfB || (aCount !== bCount && aCount !== 1 && bCount !== 1)) {
    throw new RangeError(
      `Cannot run matmul: "a" [${a.shape}] and "b" [${b.shape}] do not fit, expected [batch, m, k] and [batch, n, k]`,
    );
  }
  const batch = aCount === 1 ? bCount : aCount;
  const out = d.empty(a.shape.length === 2 && b.shape.length === 2 ? [m, n] : [batch, m, n]);
  if (k === 0) return fill(d, out, 0);
  const aBatch = aCount === 1 ? 0 : m * k;
  const bBatch = bCount === 1 ? 0 : n * k;
  if (out.size > 0) d.submit({ op: "matmul", ...ids, out: out.id, batch, m, n, k, aBatch, bBatch, alpha });
  return out;
}

function matrices(x: Tensor): readonly [number, number, number] {
  const rows = x.shape.at(-2)!;
  const cols = x.shape.at(-1)!;
  return [x.shape.length === 2 ? 1 : x.shape[0]!, rows, cols];
}
