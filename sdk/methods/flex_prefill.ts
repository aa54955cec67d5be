/**
 * FlexPrefill: how much of a prompt every head attends to, and where, decided by the prompt itself.
 *
 * @module
 */
import { gather } from "../device/ops/gather.ts";
import { groupMean } from "../device/ops/group_mean.ts";
import { slice } from "../device/ops/slice.ts";
import { checkWhole } from "./_check_whole.ts";
import { type FlexSettings, flexTiles } from "./flex_prefill_blocks.ts";
import { type Method, method, type Planner, planner } from "./planner.ts";
import { table } from "./scores.ts";

/** Options of {@linkcode flexPrefill}. */
export interface FlexPrefillOptions {
  /** Queries and keys per block; official: 16, 32, 64 or 128. @default 128 */
  readonly blockSize: number;
  /** Share of the attention mass that the chosen keys must hold, in (0, 1]. @default 0.9 */
  readonly gamma: number;
  /** Below this distance between pooled and true attention a head also takes blocks from the pooled map; 0: never. @default 0.1 */
  readonly tau: number;
  /** Tokens that vertical lines, and slash lines, cover at least. @default 1024 */
  readonly minBudget: number;
  /** Tokens that they cover at most; null for no limit. @default null */
  readonly maxBudget: number | null;
  /**
   * Whether query head h reads key head h mod Hkv (GLM) instead of neighbours sharing one. `attention` knows only neighbours, so it wants
   * `repeat(device, k, 0, Hq / Hkv)` with such a plan, and the same of v. @default false
   */
  readonly gqaInterleave: boolean;
  /** Tokens that count as one block in the budget; the official code has 128 for every block size. @default null: blockSize */
  readonly coverDiv: number | null;
}

/**
 * FlexPrefill (arXiv 2502.20766): block-sparse prefill with a budget per head, enough for a share gamma of the attention mass.
 *
 * The last block of queries shows what is looked at. A head takes as many vertical and slash lines of blocks as its largest tokens need; where a
 * pooled estimate agrees with the true attention ("query-aware") it takes the fewest lines, and blocks from the pooled map. Short prompts, at most
 * two blocks or the least budget, stay dense; so do a single query and a later part of a prompt that does not begin with a block.
 *
 * Inspection, of every head: `queryAware` (0 or 1), `jsDistance`, `numVertical`, `numSlash`, `verticalBlockScore`, `slashBlockScore` (last block: the
 * diagonal), `pooledEstimate`, `pooledMap` (unless tau is 0), `verticalBlocks` and `slashBlockOffsets` (best first, the numbers above count) and `blockMask`.
 *
 * @example
 * ```ts
 * import { openDevice } from "../device/mod.ts";
 * import { attention } from "../attention/mod.ts";
 * import { flexPrefill } from "./flex_prefill.ts";
 *
 * const device = await openDevice();
 * const q = device.tensor(new Float32Array(4 * 512 * 16), [4, 512, 16]);
 * const k = device.tensor(new Float32Array(2 * 512 * 16), [2, 512, 16]);
 * const plan = flexPrefill({ blockSize: 32, minBudget: 64 }).plan(device, q, k);
 * console.log(attention(device, q, k, k, { plan }).out.shape); // 4, 512, 16
 * device.dispose();
 * ```
 */
export const flexPrefill: Method<FlexPrefillOptions> = method({
  defaults: {
    blockSize: 128,
    gamma: 0.9,
    tau: 0.1,
    minBudget: 1024,
    maxBudget: null,
    gqaInterleave: false,
    coverDiv: null,
  },
  citation: {
    title: "FlexPrefill: A Context-Aware Sparse Attention Mechanism for Efficient Long-Sequence Inference",
    url: "https://arxiv.org/abs/2502.20766",
  },
  planner: flexPlanner,
});

function flexPlanner(options: FlexPrefillOptions): Planner {
  const settings = settingsOf(options);
  const { blockSize, least } = settings;
  return planner("flexPrefill", (d, q, k, sizes, note) => {
    const { heads, kvHeads, lq, lk } = sizes;
    const short = lk <= Math.max(2 * blockSize, least * blockSize);
    if (heads === 0 || lq === 1 || short || lq > lk || (lk - lq) % blockSize > 0) return "dense";
    const last = slice(d, q, 1, Math.max(0, lq - blockSize));
    const means = groupMean(d, q, blockSize, { divisor: "real" });
    const shape = { blockQ: blockSize, tileK: blockSize };
    if (!options.gqaInterleave || kvHeads === heads) {
      return { ...shape, parts: { tiles: flexTiles(d, { last, means, k, lk }, settings, note) } };
    }
    // Heads that share keys become neighbours, and go back in the end.
    const group = heads / kvHeads;
    const together = table(d, [heads], (i) => i % group * kvHeads + Math.floor(i / group));
    const back = table(d, [heads], (h) => h % kvHeads * group + Math.floor(h / kvHeads));
    const ordered = { last: gather(d, last, together), means: gather(d, means, together), k, lk };
    const tiles = flexTiles(d, ordered, settings, (name, x) => {
      note(name, gather(d, x, back));
      return x;
    });
    return { ...shape, parts: { tiles: gather(d, tiles, back) } };
  });
}

/** Budgets in blocks. */
function settingsOf(options: FlexPrefillOptions): FlexSettings {
  const { blockSize, gamma, tau, minBudget, maxBudget, coverDiv } = options;
  checkWhole<keyof typeof LEAST>("flexPrefill", options, LEAST);
  if (maxBudget !== null) checkWhole<"maxBudget">("flexPrefill", options, { maxBudget: 1 });
  if (coverDiv !== null) checkWhole<"coverDiv">("flexPrefill", options, { coverDiv: 1 });
  if (!(gamma > 0 && gamma <= 1)) {
    throw new RangeError(`Cannot use flexPrefill: "gamma" is ${gamma}, expected a number above 0, at most 1`);
  }
  if (!(tau >= 0)) {
    throw new RangeError(`Cannot use flexPrefill: "tau" is ${tau}, expected a number of at least 0`);
  }
  const least = Math.max(1, Math.ceil(minBudget / blockSize));
  const most = maxBudget === null ? Infinity : Math.ceil(maxBudget / blockSize);
  if (least > most) {
    throw new RangeError(
      `Cannot use flexPrefill: "minBudget" is ${minBudget} but "maxBudget" ${maxBudget}, expected at least as much`,
    );
  }
  return { blockSize, gamma, tau, least, most, coverDiv: coverDiv ?? blockSize };
}

const LEAST = { blockSize: 1, minBudget: 0 };
