/**
 * Block masks of static patterns, read off the plan that was executed.
 *
 * @module
 */
import type { Plan } from "../../attention/plan.ts";

/** Which key blocks the queries of a block see: 0 and 1 [heads, blocks, blocks]; for as many queries as keys. */
export async function blockMask(plan: Plan, blockSize: number): Promise<Uint8Array> {
  const { heads, lq, lk } = plan;
  const blocks = Math.ceil(lk / blockSize);
  const seen = new Uint8Array(heads * blocks * blocks);
  (await plan.mask()).forEach((visible, at) => {
    if (!visible) return;
    const [h, i, j] = [Math.floor(at / lk / lq), Math.floor(at / lk) % lq, at % lk];
    seen[(h * blocks + Math.floor(i / blockSize)) * blocks + Math.floor(j / blockSize)] = 1;
  });
  return seen;
}

/** Visible pairs of blocks as a fraction of those on and below the diagonal, mean over heads. */
export function blockDensity(mask: Uint8Array, blocks: number): number {
  const heads = mask.length / (blocks * blocks);
  return mask.reduce((sum, seen) => sum + seen, 0) / (heads * blocks * (blocks + 1) / 2);
}
