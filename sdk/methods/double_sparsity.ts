/**
 * Double Sparsity: a few channels find the few tokens that attention reads.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { full } from "../device/ops/fill.ts";
import { putRows } from "../device/ops/put_rows.ts";
import { reshape } from "../device/ops/reshape.ts";
import { topk } from "../device/ops/topk.ts";
import type { Tensor } from "../device/tensor.ts";
import { checkWhole } from "./_check_whole.ts";
import { calibrateDoubleSparsity, type DoubleSparsitySamples } from "./double_sparsity_calibrate.ts";
import { type LabelBits, LabelCache } from "./double_sparsity_labels.ts";
import {
  type ChannelSource,
  type DoubleSparsityProfile,
  labelChannels,
  layersOf,
  parseDoubleSparsityProfile,
  permuteInterleaved,
} from "./double_sparsity_profile.ts";
import { type Method, method, type Planner, planner } from "./planner.ts";
import type { CacheShape, Choice, Selection, Selector } from "./selector.ts";

/** Options of {@linkcode doubleSparsity}. */
export interface DoubleSparsityOptions {
  /** The label channels of the model: what `calibrate` made, or the official files hold. */
  readonly profile?: DoubleSparsityProfile | undefined;
  /** Label channels of a head; even for labels of 4 bits. @default the `channelRatio` of them */
  readonly labelChannels?: number | undefined;
  /** Label channels as a share of the columns of a head. @default 1 / 16 */
  readonly channelRatio: number;
  /** Bits of a label: 4, 8, or 16 for float16. @default 4 */
  readonly labelBits: LabelBits;
  /** Tokens that a list names. @default the `tokenRatio` of them */
  readonly tokens?: number | undefined;
  /** Tokens of a list as a share of the cache. @default 1 / 16 */
  readonly tokenRatio: number;
  /** Layers that read everything. @default [0, 1] where the profile has more than two layers, else none */
  readonly denseLayers?: readonly number[] | undefined;
  /** Whether the newest token is always read. @default true */
  readonly forceLast: boolean;
  /** What the channels of the profile are ranked by. @default "qk" */
  readonly channelSource: ChannelSource;
  /** One list per key head, by scores that are summed over its query heads, instead of one per query head. @default false */
  readonly shared: boolean;
  /** Whether the labels of queries are rounded like those of keys, as the official accuracy code does. @default false */
  readonly quantiseQuery: boolean;
  /** The layer of the profile to use, where the cache does not tell its own. @default 0 */
  readonly layer?: number | undefined;
}

/** What comes with the method. */
export interface DoubleSparsityTools {
  /** Finds the profile of a model; see {@linkcode calibrateDoubleSparsity}. */
  calibrate(device: Device, samples: DoubleSparsitySamples): Promise<DoubleSparsityProfile>;
  /** Reads a profile; see {@linkcode parseDoubleSparsityProfile}. */
  parseProfile(json: unknown): DoubleSparsityProfile;
  /** Turns a profile for half-split rotary pairs into one for interleaved pairs; see {@linkcode permuteInterleaved}. */
  permuteInterleaved(profile: DoubleSparsityProfile, headDim: number): DoubleSparsityProfile;
}

/**
 * Reads few tokens, which few channels find: labels, some channels of every key as small codes, are kept beside a cache; a query scores them and reads the
 * keys and values of the best tokens. Nothing is forgotten. The prompt is dense, and so is decode while a cache has no more tokens than a list.
 *
 * @example
 * ```ts
 * import { openDevice } from "../device/mod.ts";
 * import { doubleSparsity } from "./double_sparsity.ts";
 *
 * const device = await openDevice();
 * const [q, k] = [2, 1].map((heads) => device.tensor(new Float32Array(heads * 90 * 16), [heads, 90, 16]));
 * const profile = await doubleSparsity.calibrate(device, { q: q!, k: k! });
 * const selection = doubleSparsity({ profile, labelChannels: 4, tokens: 8 })
 *   .start(device, { queryHeads: 2, heads: 1, headDim: 16, layer: 0 });
 * selection.append(k!);
 * const query = device.tensor(new Float32Array(2 * 16), [2, 16]);
 * console.log(selection.choose(device, query, 90)?.list?.shape); // 2, 8
 * device.dispose();
 * ```
 * @throws TypeError without a profile; RangeError if an option is out of range.
 */
export const doubleSparsity: Method<DoubleSparsityOptions, Planner & Selector> & DoubleSparsityTools = method(
  {
    defaults: {
      channelRatio: 1 / 16,
      labelBits: 4,
      tokenRatio: 1 / 16,
      forceLast: true,
      channelSource: "qk",
      shared: false,
      quantiseQuery: false,
    } as DoubleSparsityOptions,
    citation: {
      title: "Post-Training Sparse Attention with Double Sparsity",
      url: "https://arxiv.org/abs/2408.07092",
    },
    planner: (options: DoubleSparsityOptions) => {
      const profile = check(options);
      const { denseLayers = layersOf(profile) > 2 ? [0, 1] : [] } = options;
      return {
        ...planner("doubleSparsity", () => "dense"),
        start: (device, shape) => {
          const layer = shape.layer ?? options.layer ?? 0;
          if (denseLayers.includes(layer)) return READS_ALL;
          return new LabelSelection(startLabels(device, { ...shape, layer }, profile, options), options);
        },
      };
    },
  },
  {
    calibrate: calibrateDoubleSparsity,
    parseProfile: parseDoubleSparsityProfile,
    permuteInterleaved,
  },
);

/** Beside the cache of a dense layer nothing is kept. */
const READS_ALL: Selection = {
  bytes: 0,
  append: () => {},
  truncate: () => {},
  fork: () => READS_ALL,
  choose: () => undefined,
  dispose: () => {},
  [Symbol.dispose]: () => {},
};

/** Chooses by labels. */
class LabelSelection implements Selection {
  readonly #labels: LabelCache;
  readonly #options: DoubleSparsityOptions;

  constructor(labels: LabelCache, options: DoubleSparsityOptions) {
    this.#labels = labels;
    this.#options = options;
  }

  get bytes(): number {
    return this.#labels.bytes;
  }

  append(k: Tensor): void {
    this.#labels.append(k);
  }

  truncate(length: number): void {
    this.#labels.truncate(length);
  }

  fork(): Selection {
    return new LabelSelection(this.#labels.fork(), this.#options);
  }

  choose(device: Device, q: Tensor, length: number): Choice | undefined {
    const { forceLast, tokenRatio, tokens = Math.max(1, Math.ceil(length * tokenRatio)) } = this.#options;
    if (length <= tokens) return undefined;
    // The newest token is not scored if it is read anyway: a query that is foreseen has no label for it yet.
    const scored = forceLast ? length - 1 : length;
    if (scored > this.#labels.length) {
      throw new RangeError(
        `Cannot choose tokens for doubleSparsity: ${this.#labels.length} of ${length} tokens have labels, append their keys first`,
      );
    }
    using scope = device.scope();
    const { lists } = this.#labels;
    const scores = this.#labels.scores(scope, q, scored, scope.empty([lists, length]));
    if (forceLast) {
      putRows(
        scope,
        reshape(scope, scores, [lists, length, 1]),
        scored,
        full(scope, [lists, 1, 1], Infinity),
      );
    }
    return { list: scope.keep(topk(scope, scores, tokens, { sorted: false }).indices) };
  }

  dispose(): void {
    this.#labels[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

function startLabels(
  device: Device,
  { layer, ...shape }: CacheShape & { readonly layer: number },
  profile: DoubleSparsityProfile,
  options: DoubleSparsityOptions,
): LabelCache {
  const { labelBits: bits, channelRatio, channelSource: source, shared } = options;
  const unit = bits === 4 ? 2 : 1;
  const { labelChannels: count = unit * Math.max(1, Math.round(shape.headDim * channelRatio / unit)) } =
    options;
  const channels = labelChannels(profile, { layer, source, shared, count }, shape);
  return new LabelCache(device, shape, { channels, bits, quantiseQuery: options.quantiseQuery });
}

/** Checks options; returns the profile. */
function check(options: DoubleSparsityOptions): DoubleSparsityProfile {
  const { profile, labelBits, labelChannels: channels, tokens, channelSource, layer } = options;
  const refuse = (key: keyof DoubleSparsityOptions, expected: string): never => {
    throw new RangeError(`Cannot use doubleSparsity: "${key}" is ${options[key]}, expected ${expected}`);
  };
  if (profile === undefined) {
    throw new TypeError(
      `Cannot use doubleSparsity: "profile" is missing, make one with doubleSparsity.calibrate() or read an official file`,
    );
  }
  if (![4, 8, 16].includes(labelBits)) refuse("labelBits", "4, 8 or 16");
  if (!["q", "k", "qk"].includes(channelSource)) refuse("channelSource", "q, k or qk");
  if (channels !== undefined) checkWhole("doubleSparsity", options, { labelChannels: 1 });
  if (channels !== undefined && labelBits === 4 && channels % 2 !== 0) {
    refuse("labelChannels", "an even number for labels of 4 bits");
  }
  if (tokens !== undefined) checkWhole("doubleSparsity", options, { tokens: 1 });
  if (layer !== undefined) checkWhole("doubleSparsity", options, { layer: 0 });
  for (const key of ["channelRatio", "tokenRatio"] as const) {
    if (!(options[key] > 0 && options[key] <= 1)) refuse(key, "a number above 0, at most 1");
  }
  for (const one of options.denseLayers ?? []) {
    if (!Number.isSafeInteger(one) || one < 0) refuse("denseLayers", "layers from 0");
  }
  return parseDoubleSparsityProfile(profile);
}
