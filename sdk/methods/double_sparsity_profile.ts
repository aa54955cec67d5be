/**
 * Which channels of queries and keys matter: the profiles of Double Sparsity.
 *
 * @module
 */
import { parseJson } from "./profile_fields.ts";

/** What channels are ranked by: mean |q|, mean |k| or mean |q k| over tokens. */
export type ChannelSource = "q" | "k" | "qk";

/**
 * Channels of every head, best first, in the official JSON format: key `model.layers.{l}.self_attn.{q,k,qk}_proj`, value [heads][channels].
 *
 * `k` has a row per key head, the others one per query head. {@linkcode DoubleSparsityTools.calibrate} also writes `qk_group_proj`: a row per key head, ranked by
 * the sum over the query heads that share it.
 */
export type DoubleSparsityProfile = Readonly<Record<string, readonly (readonly number[])[]>>;

/** Sizes of the heads that a profile must fit. */
export interface ProfileShape {
  /** Query heads. */
  readonly queryHeads: number;
  /** Key heads. */
  readonly heads: number;
  /** Columns of a head. */
  readonly headDim: number;
}

/** Which lists of a profile are used. */
export interface ChannelChoice {
  /** The layer of the model, from 0. */
  readonly layer: number;
  /** What channels are ranked by. */
  readonly source: ChannelSource;
  /** One list per key head instead of one per query head. */
  readonly shared: boolean;
  /** Channels of a list. */
  readonly count: number;
}

const KEY = /^model\.layers\.(0|[1-9]\d*)\.self_attn\.(?:q|k|qk|qk_group)_proj$/;

/** The key of one ranking of one layer. */
export function profileKey(layer: number, source: ChannelSource | "qk_group"): string {
  return `model.layers.${layer}.self_attn.${source}_proj`;
}

/** How many layers a profile ranks channels of. */
export function layersOf(profile: DoubleSparsityProfile): number {
  return new Set(Object.keys(profile).map((key) => KEY.exec(key)?.[1])).size;
}

/**
 * Reads a profile and checks it; keys that it does not know are left out.
 *
 * @param json The text of a file, or what it holds.
 * @returns A copy.
 * @throws SyntaxError if the text is not JSON, TypeError if it holds no lists of channels, RangeError if a list names a channel twice or one below 0.
 */
export function parseDoubleSparsityProfile(json: unknown): DoubleSparsityProfile {
  const value = parseJson("this profile of doubleSparsity", json);
  if (value === null || typeof value !== "object") {
    throw new TypeError("Cannot use this profile of doubleSparsity: it is not an object of lists by layer");
  }
  const lists = Object.entries(value).filter(([key]) => KEY.test(key));
  if (lists.length === 0) {
    throw new TypeError(
      `Cannot use this profile of doubleSparsity: it has no key like "${profileKey(0, "qk")}"`,
    );
  }
  return Object.fromEntries(lists.map(([key, rows]) => [key, readRows(key, rows)]));
}

/**
 * The label channels of a layer.
 *
 * @returns One list per query head, or one per key head if they are shared.
 * @throws RangeError if the profile is of another model.
 */
export function labelChannels(
  profile: DoubleSparsityProfile,
  { layer, source, shared, count }: ChannelChoice,
  shape: ProfileShape,
): readonly (readonly number[])[] {
  const { queryHeads, heads, headDim } = shape;
  const group = queryHeads / heads;
  const together = shared && group > 1;
  const summed = profileKey(layer, "qk_group");
  // Official files know no rankings of groups; of theirs the one by keys says most of all heads of a group.
  const key = !together
    ? profileKey(layer, source)
    : source === "qk" && profile[summed]
    ? summed
    : profileKey(layer, "k");
  const rows = profile[key];
  const refuse = (what: string): never => {
    throw new RangeError(`Cannot use this profile of doubleSparsity: it is of another model, ${what}`);
  };
  if (!rows) return refuse(`it has no "${key}"`);
  const perKeyHead = key !== profileKey(layer, "q") && key !== profileKey(layer, "qk");
  if (rows.length !== queryHeads && !(perKeyHead && rows.length === heads)) {
    const wanted = perKeyHead ? `${heads} or ${queryHeads}` : `${queryHeads}`;
    return refuse(`"${key}" has ${rows.length} heads, expected ${wanted}`);
  }
  for (const [h, row] of rows.entries()) {
    const wrong = row.find((channel) => channel >= headDim);
    if (wrong !== undefined) {
      return refuse(`"${key}" names channel ${wrong} in head ${h}, expected numbers below ${headDim}`);
    }
    if (row.length < count) {
      return refuse(`"${key}" has ${row.length} channels in head ${h}, expected at least ${count}`);
    }
  }
  const lists = together ? heads : queryHeads;
  return Array.from(
    { length: lists },
    (_, h) => rows[Math.floor(h * rows.length / lists)]!.slice(0, count),
  );
}

/**
 * A profile of half-split rotary embedding (pairs i, i + headDim / 2) for weights with interleaved pairs (2i, 2i + 1), as Meta's and most GGUF files have them.
 *
 * @throws RangeError if `headDim` is odd.
 */
export function permuteInterleaved(profile: DoubleSparsityProfile, headDim: number): DoubleSparsityProfile {
  if (!Number.isSafeInteger(headDim) || headDim < 2 || headDim % 2 !== 0) {
    throw new RangeError(
      `Cannot permute a profile of doubleSparsity: "headDim" is ${headDim}, expected an even number`,
    );
  }
  const moved = (channel: number): number => 2 * channel % headDim + Math.floor(2 * channel / headDim);
  return Object.fromEntries(
    Object.entries(profile).map(([key, rows]) => [key, rows.map((row) => row.map(moved))]),
  );
}

function readRows(key: string, rows: unknown): number[][] {
  if (
    !Array.isArray(rows) ||
    !rows.every((row) => Array.isArray(row) && row.every((one) => Number.isSafeInteger(one)))
  ) {
    throw new TypeError(
      `Cannot use this profile of doubleSparsity: "${key}" is not a list of lists of channels, one per head`,
    );
  }
  return rows.map((row: readonly number[], h) => {
    if (row.some((channel) => channel < 0) || new Set(row).size !== row.length) {
      throw new RangeError(
        `Cannot use this profile of doubleSparsity: "${key}" names a channel below 0 or twice in head ${h}`,
      );
    }
    return [...row];
  });
}
