/**
 * A local window and every n-th block, shifted from head to head (the pattern of S2-Attention and LongGen).
 *
 * @module
 */
import { checkWhole } from "./_check_whole.ts";
import { alignedRows, blockTiles } from "./block_lists.ts";
import { type Draft, type Method, method, planner, type Sizes } from "./planner.ts";
import type { Device } from "../device/device.ts";

/** Options of {@linkcode strided}. */
export interface StridedOptions {
  /** Tokens per block. @default 64 */
  readonly blockSize: number;
  /** Last blocks that a query sees, its own included. @default 16 */
  readonly localBlocks: number;
  /** Of farther blocks a head sees one in so many; 1 is dense. @default 16 */
  readonly stride: number;
  /** First blocks that every query sees. @default 0 */
  readonly sinkBlocks: number;
  /** Added to the shift of every head. @default 0 */
  readonly headOffset: number;
}

/** Heads of a layer. */
export interface Heads {
  /** Query heads. */
  readonly heads: number;
  /** Key heads; a divisor of `heads`. */
  readonly kvHeads: number;
}

/** Which blocks a head sees: those less than `local` behind its own, the first `sinks`, and every j with (j + shift) mod stride = 0. */
export interface BlockPattern {
  readonly local: number;
  readonly sinks: number;
  /** 0: no blocks by stride. */
  readonly stride: number;
}

/**
 * A window of blocks and, of farther ones, every `stride`-th at absolute positions: key block j is visible to query block i if j <= i and
 * (i - j < localBlocks or j < sinkBlocks or (j + g * step + headOffset) mod stride = 0).
 *
 * g is the key head, so that query heads of a group agree and a cache can drop blocks; step = max(1, floor(stride / query heads)).
 *
 * @example
 * ```ts
 * import { openDevice } from "../device/mod.ts";
 * import { strided } from "./strided.ts";
 *
 * const device = await openDevice();
 * const q = device.tensor(new Float32Array(4 * 640 * 8), [4, 640, 8]);
 * using plan = strided({ localBlocks: 2, stride: 4 }).plan(device, q, q);
 * console.log(await plan.density()); // 0.46...
 * device.dispose();
 * ```
 * @throws RangeError if an option is out of range.
 */
export const strided: Method<StridedOptions> = method({
  defaults: { blockSize: 64, localBlocks: 16, stride: 16, sinkBlocks: 0, headOffset: 0 },
  citation: {
    title: "S2-Attention: Hardware-Aware Context Sharding Among Attention Heads",
    url: "https://arxiv.org/abs/2407.17678",
  },
  planner: (options: StridedOptions) => {
    checkStrided("strided", options);
    const { blockSize, localBlocks: local, sinkBlocks: sinks, stride } = options;
    return planner("strided", (d, _q, _k, sizes) => {
      return draftBlocks(d, sizes, blockSize, { local, sinks, stride }, shifts(sizes, options));
    });
  },
});

/** Refuses options that are out of range. */
export function checkStrided(name: string, options: StridedOptions): void {
  checkWhole(name, options, { blockSize: 1, localBlocks: 1, stride: 1, sinkBlocks: 0, headOffset: 0 });
}

/** How far the strided blocks of every key head are shifted. */
export function shifts(
  { heads, kvHeads }: Heads,
  { stride, headOffset }: Pick<StridedOptions, "stride" | "headOffset">,
): number[] {
  const step = Math.max(1, Math.floor(stride / heads));
  return Array.from({ length: kvHeads }, (_, g) => (g * step + headOffset) % stride);
}

/** Whether query block i sees key block j, which is not after it. */
export function seesBlock(
  { local, sinks, stride }: BlockPattern,
  shift: number,
  i: number,
  j: number,
): boolean {
  return i - j < local || j < sinks || (stride > 0 && (j + shift) % stride === 0);
}

/** The lists of a pattern of blocks. */
export function draftBlocks(
  d: Device,
  { heads, kvHeads, lq, lk }: Sizes,
  blockSize: number,
  pattern: BlockPattern,
  shiftOf: readonly number[],
): Draft {
  const grid = { lq, lk, blockQ: alignedRows(lq, lk, blockSize), tileK: blockSize };
  const keys = Array.from({ length: heads }, (_, h) => shiftOf[Math.floor(h * kvHeads / heads)]!);
  const tiles = blockTiles(
    d,
    grid,
    keys,
    (shift, j, first) => seesBlock(pattern, shift, Math.floor(first / blockSize), j),
  );
  return { ...grid, parts: { tiles } };
}
