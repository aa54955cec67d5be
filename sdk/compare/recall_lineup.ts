/**
 * The methods whose recall is compared, with the settings of the published check.
 *
 * @module
 */
import { bitmap } from "../cache/bitmap.ts";
import { decode } from "../cache/decode.ts";
import { KVCache } from "../cache/kv_cache.ts";
import { readChoice } from "../cache/read_choice.ts";
import type { Storage } from "../cache/storage.ts";
import type { Device } from "../device/device.ts";
import { slice } from "../device/ops/slice.ts";
import { doubleSparsity, type DoubleSparsityOptions } from "../methods/double_sparsity.ts";
import type { DoubleSparsityProfile } from "../methods/double_sparsity_profile.ts";
import { longgen } from "../methods/longgen.ts";
import { lserve } from "../methods/lserve.ts";
import type { Selector } from "../methods/selector.ts";
import { streaming } from "../methods/streaming.ts";
import { kvRecall, type Recall, type RecallOptions, type RecallSample, recallSample } from "./kv_recall.ts";

/** How one row of the table reads a cache. */
export interface RecallMethod {
  readonly title: string;
  /** @default dense() */
  readonly storage?: Storage;
  /** @default everything is read */
  readonly select?: (sample: RecallSample, profile: DoubleSparsityProfile) => Selector;
  /** Whether all heads hold the same tokens, of which each sees others. @default false */
  readonly alike?: boolean;
  /** Whether a pair counts in every head, or once if any head finds it. @default "every" */
  readonly count?: "every" | "any";
}

/** What one method found in one sample. */
export interface RecallResult extends Recall {
  readonly title: string;
  /** Share of pairs, counted as the method says. */
  readonly score: number;
  /** Share of the keys' elements that a step reads, zeros left out. */
  readonly read: number;
}

const labels = (options: Partial<DoubleSparsityOptions>): Pick<RecallMethod, "select"> => ({
  select: (_sample, profile) => doubleSparsity({ profile, tokens: 256, labelBits: 4, ...options }),
});
const pages = (logicalPerPage: number): Pick<RecallMethod, "select"> => ({
  // Every head retrieves, and no query uses the pages of the one before.
  select: ({ heads }) =>
    lserve({
      headFlags: [new Array(heads).fill(1)],
      page: 64,
      logicalPerPage,
      tokenBudget: 1024,
      interval: 1,
    }),
});
const blocks: Pick<RecallMethod, "select" | "alike"> = {
  select: () => longgen({ blockSize: 64, localBlocks: 4, stride: 4 }),
  alike: true,
};

/** The rows of the table. */
export const RECALL_LINEUP: readonly RecallMethod[] = [
  { title: "dense" },
  { title: "double-sparsity r=16", ...labels({ labelChannels: 16 }) },
  { title: "double-sparsity r=8", ...labels({ labelChannels: 8 }) },
  { title: "mustafar 0.5", storage: bitmap({ sparsity: { k: 0.5, v: 0.5 } }) },
  { title: "mustafar 0.7", storage: bitmap({ sparsity: { k: 0.7, v: 0.7 } }) },
  { title: "lserve, logical 16", ...pages(4) },
  { title: "lserve, logical 64", ...pages(1) },
  { title: "streaming 64 + 512", select: () => streaming({ sink: 64, window: 512 }) },
  { title: "longgen, best head", ...blocks, count: "any" },
  { title: "longgen, one head", ...blocks },
];

/**
 * Runs methods on the same sample, one column of the table.
 *
 * @param options Sizes, seed and kind of the sample.
 * @param onResult Gets every result as soon as it is there.
 */
export async function recallColumn(
  device: Device,
  options: RecallOptions = {},
  methods: readonly RecallMethod[] = RECALL_LINEUP,
  onResult?: (result: RecallResult) => void,
): Promise<RecallResult[]> {
  using scope = device.scope();
  const own = recallSample(options);
  // Channels are ranked by other pairs than those that are asked for.
  const profile = await profileOf(scope, recallSample({ ...options, seed: (options.seed ?? 1) + 1 }));
  const results: RecallResult[] = [];
  for (const { title, storage, select: make, alike, count } of methods) {
    using inner = scope.scope();
    const sample = alike ? recallSample({ ...options, alike }) : own;
    const { heads, length, headDim } = sample;
    const select = make?.(sample, profile);
    const cache = new KVCache(inner, { heads, headDim, select, ...(storage && { storage }) });
    const shape = [heads, length, headDim];
    cache.append(inner.tensor(sample.k, shape), inner.tensor(sample.v, shape));
    cache.compact();
    const recall = await kvRecall(inner, sample, (d, q) => decode(d, q, cache, { select }));
    const score = count === "any" ? recall.best : recall.share;
    const result = { title, ...recall, score, read: await readShare(inner, sample, cache, select) };
    results.push(result);
    onResult?.(result);
  }
  return results;
}

async function profileOf(device: Device, sample: RecallSample): Promise<DoubleSparsityProfile> {
  using scope = device.scope();
  const shape = [sample.heads, sample.pairs, sample.headDim];
  return await doubleSparsity.calibrate(scope, {
    q: scope.tensor(sample.q, shape),
    k: scope.tensor(sample.pairKeys, shape),
  });
}

/** Of all key elements the share that the first step reads. */
async function readShare(
  device: Device,
  sample: RecallSample,
  cache: KVCache,
  select: Selector | undefined,
): Promise<number> {
  using scope = device.scope();
  const { heads, headDim, length, q } = sample;
  const rows = await cache.rows(scope).k.read();
  const kept = rows.reduce((sum, value) => sum + Number(value !== 0), 0) / rows.length;
  const query = slice(scope, scope.tensor(q, [heads, sample.pairs, headDim]), 1, 0, 1);
  const choice = select && cache.selection(select).choose(scope, scope.view(query, [heads, headDim]), length);
  const lists = choice && await readChoice(choice, { heads, queryHeads: heads, length });
  if (!lists) return kept;
  return kept * lists.reduce((sum, own) => sum + own.length, 0) / (lists.length * length);
}
