/**
 * The labelled train rows of one layer as a cache: a table is a prompt whose tokens are rows, and the heads of all members lie side by side in it.
 *
 * @module
 */
import { attendCache, decode, dense, KVCache, type Storage } from "../../sdk/cache/mod.ts";
import {
  binary,
  concat,
  type Device,
  gather,
  groupMean,
  repeat,
  scoped,
  slice,
  type Tensor,
  transpose,
} from "../../sdk/device/mod.ts";
import { doubleSparsity, type DoubleSparsityOptions } from "../../sdk/methods/double_sparsity.ts";
import { type DoubleSparsityProfile, profileKey } from "../../sdk/methods/double_sparsity_profile.ts";
import type { Selector } from "../../sdk/methods/selector.ts";
import { normalise, projectKeys, projectQueries } from "./block.ts";
import type { OrionConfig } from "./config.ts";
import type { Block } from "./parameters.ts";

/** How the context of train rows is kept and read. */
export interface ContextForm {
  /** Type of the memory's keys and values; f16 halves their bytes and their reading time. */
  readonly memory: "f32" | "f16";
  /** How the keys and values of every layer are stored. */
  readonly storage: Storage;
  /** Chooses the train rows that a new row reads. @default all */
  readonly select?: RowSelection | undefined;
}

/** As computed: nothing is rounded. */
export const EXACT: ContextForm = { memory: "f32", storage: dense() };

/** What chooses train rows, and the profile that it was made of. */
export interface LabelSelection {
  readonly selector: Selector;
  readonly profile: DoubleSparsityProfile;
}

/** Which train rows a new row reads: options of `doubleSparsity`, whose profile is made of the train rows themselves. */
export type RowSelection = Partial<Omit<DoubleSparsityOptions, "profile" | "layer" | "forceLast" | "shared">>;

/** A row of a table spreads its attention wider than a token, over more channels: a quarter of both, in every layer. And no train row is the row that asks. */
const TABULAR = { tokenRatio: 1 / 4, channelRatio: 1 / 4, denseLayers: [], forceLast: false };

/** Train rows that a profile is made of, at most. */
const SAMPLE = 512;

/** Puts keys and values [B, n, 2D] of labelled rows into a cache of B * block.heads heads, which lives on `d`. */
export async function cacheKeys(
  d: Device,
  block: Block,
  keys: Tensor,
  layer: number,
  { storage, select }: Pick<ContextForm, "storage" | "select">,
): Promise<KVCache> {
  const [batch, n, both] = keys.shape as [number, number, number];
  const width = both / 2;
  const headDim = width / block.heads;
  const cache = new KVCache(d, { heads: batch * block.heads, headDim, storage, layer, reserve: n });
  using scope = d.scope();
  const half = (from: number): Tensor =>
    scoped(scope, (s) => headsFirst(s, slice(s, keys, 2, from, from + width), headDim));
  const k = half(0);
  const exact = storage.spec.name === "dense" && !select;
  cache.append(exact ? k : centred(scope, k), half(width));
  await cache.settle();
  return cache;
}

/**
 * What new rows read of the train rows.
 *
 * @param q Queries [B, m, D].
 * @param select Chooses for every row by itself; without, all rows of the call read everything together.
 * @returns [B, m, D].
 */
export async function readCache(
  d: Device,
  q: Tensor,
  cache: KVCache,
  select: Selector | undefined,
  signal: AbortSignal | undefined,
): Promise<Tensor> {
  const [batch, m, width] = q.shape as [number, number, number];
  const { heads, headDim } = cache;
  if (!select) {
    return scoped(d, (s) => {
      const out = attendCache(s, headsFirst(s, q, headDim), cache, { causal: false });
      const apart = s.view(out, [batch, heads / batch, m, headDim]);
      return s.view(transpose(s, apart, [0, 2, 1, 3]), q.shape);
    });
  }
  using scope = d.scope();
  const rows: Tensor[] = [];
  for (let i = 0; i < m; i++) {
    await d.flush(signal);
    rows.push(scoped(scope, (s) => {
      const row = s.view(slice(s, q, 1, i, i + 1), [heads, 1, headDim]);
      return s.view(decode(s, row, cache, { select }), [batch, 1, width]);
    }));
  }
  return scope.keep(concat(scope, rows, 1));
}

/** The profile of one layer, by the queries and keys of labelled rows x [B, n, D]: the ranking that a selection uses. */
export async function rankChannels(
  d: Device,
  config: OrionConfig,
  block: Block,
  x: Tensor,
  layer: number,
  { channelSource = "qk" }: RowSelection,
): Promise<DoubleSparsityProfile> {
  const [batch, n, width] = x.shape as [number, number, number];
  const headDim = width / block.heads;
  const count = Math.min(n, SAMPLE);
  const places = Int32Array.from(
    { length: batch * count },
    (_, i) => Math.floor(i / count) * n + Math.floor(i % count * n / count),
  );
  using scope = d.scope();
  const rows = gather(scope, scope.view(x, [batch * n, width]), scope.tensor(places, [batch, count]));
  const normed = config.norm_first ? normalise(scope, rows, block.norm1) : rows;
  const keys = slice(scope, projectKeys(scope, block, normed), 2, 0, width);
  const profile = await doubleSparsity.calibrate(scope, {
    layer,
    q: headsFirst(scope, projectQueries(scope, block, rows, config.norm_first), headDim),
    k: centred(scope, headsFirst(scope, keys, headDim)),
  });
  const key = profileKey(layer, channelSource);
  return { [key]: profile[key]! };
}

/** @throws RangeError if an option is out of range. */
export function rowSelector(selection: RowSelection, profile: DoubleSparsityProfile): Selector {
  return doubleSparsity({ ...TABULAR, ...selection, profile });
}

/** What chooses train rows; what it keeps beside the caches is made of the keys as they are stored, so that it is the same after a context was restored. */
export function selectRows(
  caches: readonly KVCache[],
  selection: RowSelection,
  profile: DoubleSparsityProfile,
): LabelSelection {
  const selector = rowSelector(selection, profile);
  for (const cache of caches) cache.selection(selector);
  return { selector, profile };
}

/** Heads of x [B, n, D] one after the other: [B * heads, n, headDim]. */
function headsFirst(d: Device, x: Tensor, headDim: number): Tensor {
  const [batch, n, width] = x.shape as [number, number, number];
  const heads = width / headDim;
  return scoped(d, (s) => {
    const apart = transpose(s, s.view(x, [batch, n, heads, headDim]), [0, 2, 1, 3]);
    return s.view(apart, [batch * heads, n, headDim]);
  });
}

/** Keys [heads, n, headDim] around the mean of their head: softmax stays as it is when all keys move alike, and what tells rows apart is what rounding, pruning and labels keep. */
function centred(d: Device, k: Tensor): Tensor {
  const n = k.shape[1]!;
  return scoped(d, (s) => binary(s, "sub", k, repeat(s, groupMean(s, k, n), 1, n)));
}
