/**
 * The configuration of an Orion-MSP model: the constructor keywords of the official code plus our `mode`.
 *
 * @module
 */
import { WeightsError } from "../../sdk/device/errors.ts";

/** Which model a weights file is: the official code with its quirks, or ours whose fitted context is exact. */
export type OrionMode = "official" | "filigree";

/** Configuration of a model, as stored in the metadata of its weights (names follow the official checkpoint). */
export interface OrionConfig {
  /** `official` reproduces the official code; `filigree` opens the window and lets memory reads see train rows only. */
  readonly mode: OrionMode;
  /** Classes that one pass can tell apart (M); more are predicted by a tree of passes. */
  readonly max_classes: number;
  /** Width of a cell's embedding (E). */
  readonly embed_dim: number;
  /** Blocks of the column embedder. */
  readonly col_num_blocks: number;
  /** Heads of the column embedder. */
  readonly col_nhead: number;
  /** Inducing points per column block. */
  readonly col_num_inds: number;
  /** Blocks over all scales together; each scale has max(1, ceil(row_num_blocks / scales)). */
  readonly row_num_blocks: number;
  /** Heads of the row interactor. */
  readonly row_nhead: number;
  /** CLS tokens per row (C); a row's vector has C * E numbers. */
  readonly row_num_cls: number;
  /** Global tokens per row (G). */
  readonly row_num_global: number;
  /** Base of the rotary frequencies. */
  readonly row_rope_base: number;
  /** Group sizes of the features, ascending, without repeats. */
  readonly row_scales: readonly number[];
  /** Grouped tokens at most this far apart see each other (`filigree` only; 0 closes the window). */
  readonly row_window: number;
  /** Random links per grouped token. */
  readonly row_num_random: number;
  /** How features are grouped: attention pooling, or means of neighbours. */
  readonly row_group_mode: "pma" | "contiguous";
  /** Blocks of the in-context predictor. */
  readonly icl_num_blocks: number;
  /** Heads of the in-context predictor and the memory. */
  readonly icl_nhead: number;
  /** Latents of the memory; 0 switches it off. */
  readonly perc_num_latents: number;
  /** Write layers and read layers of the memory. */
  readonly perc_layers: number;
  /** Hidden width of feed-forward layers over their width. */
  readonly ff_factor: number;
  /** Of the feed-forward layers. */
  readonly activation: "gelu" | "relu";
  /** Norms before (true) or after attention and feed-forward. */
  readonly norm_first: boolean;
  /** Seed of the random links (`filigree` only: the same links for every call). */
  readonly link_seed: number;
}

/** Values that the official code takes where a configuration is silent. */
const DEFAULTS: OrionConfig = {
  mode: "official",
  max_classes: 10,
  embed_dim: 128,
  col_num_blocks: 3,
  col_nhead: 4,
  col_num_inds: 128,
  row_num_blocks: 3,
  row_nhead: 8,
  row_num_cls: 4,
  row_num_global: 2,
  row_rope_base: 100000,
  row_scales: [1, 4, 8],
  row_window: 4,
  row_num_random: 0,
  row_group_mode: "contiguous",
  icl_num_blocks: 12,
  icl_nhead: 4,
  perc_num_latents: 16,
  perc_layers: 2,
  ff_factor: 2,
  activation: "gelu",
  norm_first: true,
  link_seed: 0,
};

/** Largest value of any size in a configuration; the largest official one is 1024. */
const MAX_SIZE = 65536;
const MAX_LAYERS = 256;

/**
 * Reads and checks a configuration; keys that the model does not know (`dropout`, training settings) are ignored.
 *
 * @param value The parsed `config` of a weights file.
 * @returns The complete configuration, scales sorted and without repeats.
 * @throws WeightsError if a value has the wrong type or cannot make a model.
 */
export function parseConfig(value: unknown): OrionConfig {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new WeightsError(
      `Cannot read the config of the weights: expected an object, got ${describe(value)}`,
    );
  }
  const given = value as Record<string, unknown>;
  const config: Record<string, unknown> = { ...DEFAULTS };
  for (const [key, standard] of Object.entries(DEFAULTS)) {
    const own = Object.hasOwn(given, key) ? given[key] : undefined;
    if (own === undefined || own === null) continue;
    if (typeof standard === "number") config[key] = wholeNumber(key, own);
    else if (typeof own !== typeof standard) {
      throw new WeightsError(
        `Cannot use config "${key}": expected a ${typeof standard}, got ${describe(own)}`,
      );
    } else config[key] = own;
  }
  config["row_scales"] = scales(config["row_scales"]);
  oneOf(config, "mode", ["official", "filigree"]);
  oneOf(config, "row_group_mode", ["pma", "contiguous"]);
  oneOf(config, "activation", ["gelu", "relu"]);
  const checked = config as unknown as OrionConfig;
  checkSizes(checked);
  return checked;
}

/** Row blocks of one scale. */
export function blocksPerScale(config: OrionConfig): number {
  return Math.max(1, Math.ceil(config.row_num_blocks / config.row_scales.length));
}

/** Special tokens in front of every row sequence (S = C + G). */
export function specialTokens(config: OrionConfig): number {
  return config.row_num_cls + config.row_num_global;
}

/** Width of a row's vector (D = C * E). */
export function rowWidth(config: OrionConfig): number {
  return config.row_num_cls * config.embed_dim;
}

function wholeNumber(key: string, value: unknown): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
    throw new WeightsError(
      `Cannot use config "${key}": expected a whole number of at least 0, got ${describe(value)}`,
    );
  }
  return value;
}

function scales(value: unknown): number[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > 16) {
    throw new WeightsError(
      `Cannot use config "row_scales": expected 1 to 16 group sizes, got ${describe(value)}`,
    );
  }
  const sizes = value.map((size) => wholeNumber("row_scales", size));
  if (sizes.some((size) => size < 1 || size > MAX_SIZE)) {
    throw new WeightsError(`Cannot use config "row_scales": every group size must be from 1 to ${MAX_SIZE}`);
  }
  return [...new Set(sizes)].sort((a, b) => a - b);
}

function oneOf(config: Record<string, unknown>, key: string, allowed: readonly string[]): void {
  if (!allowed.includes(config[key] as string)) {
    throw new WeightsError(
      `Cannot use config "${key}": expected one of ${allowed.join(", ")}, got ${describe(config[key])}`,
    );
  }
}

function checkSizes(config: OrionConfig): void {
  const positive = [
    "max_classes",
    "embed_dim",
    "col_num_blocks",
    "col_nhead",
    "col_num_inds",
    "row_num_blocks",
    "row_nhead",
    "row_num_cls",
    "icl_num_blocks",
    "icl_nhead",
    "ff_factor",
    "row_rope_base",
  ] as const;
  for (const key of positive) {
    if (config[key] < 1) {
      throw new WeightsError(`Cannot use config "${key}": expected at least 1, got ${config[key]}`);
    }
  }
  for (
    const key of [
      "max_classes",
      "embed_dim",
      "col_num_inds",
      "row_num_cls",
      "row_num_global",
      "perc_num_latents",
      "ff_factor",
    ] as const
  ) {
    if (config[key] > MAX_SIZE) {
      throw new WeightsError(`Cannot use config "${key}": expected at most ${MAX_SIZE}, got ${config[key]}`);
    }
  }
  for (const key of ["col_num_blocks", "row_num_blocks", "icl_num_blocks", "perc_layers"] as const) {
    if (config[key] > MAX_LAYERS) {
      throw new WeightsError(
        `Cannot use config "${key}": expected at most ${MAX_LAYERS}, got ${config[key]}`,
      );
    }
  }
  const { embed_dim: e, perc_num_latents: latents } = config;
  const width = rowWidth(config);
  if (latents >= 1 && latents <= 3) {
    throw new WeightsError(`Cannot use config "perc_num_latents": expected 0 or at least 4, got ${latents}`);
  }
  if (config.max_classes < 2) {
    throw new WeightsError(`Cannot use config "max_classes": expected at least 2, got ${config.max_classes}`);
  }
  divides("embed_dim", e, "col_nhead", config.col_nhead);
  divides("embed_dim", e, "row_nhead", config.row_nhead);
  divides("row_num_cls * embed_dim", width, "icl_nhead", config.icl_nhead);
  const head = e / config.row_nhead;
  if (head % 2 !== 0 || head <= 2) {
    throw new WeightsError(
      `Cannot use config "row_nhead": embed_dim / row_nhead must be even and above 2, got ${head}`,
    );
  }
}

function divides(name: string, value: number, by: string, heads: number): void {
  if (value % heads !== 0) {
    throw new WeightsError(`Cannot use config "${by}": ${name} = ${value} is not a multiple of ${heads}`);
  }
}

function describe(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
}
