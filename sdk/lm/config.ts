/**
 * What a decoder is: its sizes and the variants of its family.
 *
 * @module
 */
import { isRecord } from "../weights/_safetensors_header.ts";
import { choice, flag, group, positive, whole, wrong } from "./_config_values.ts";
import type { JsonObject } from "./read_json.ts";

/** Families of decoders that can run. */
export type Family = "llama" | "mistral" | "qwen2" | "qwen3";

/** The families by name. */
export const FAMILIES: readonly Family[] = ["llama", "mistral", "qwen2", "qwen3"];

/** Layers that a model may have; the largest ones have 126. */
const MOST_LAYERS = 1024;

/** How rotary frequencies are changed for longer contexts. */
export type RopeScaling =
  | { readonly type: "default" }
  | { readonly type: "linear"; readonly factor: number }
  | {
    readonly type: "llama3";
    readonly factor: number;
    readonly lowFactor: number;
    readonly highFactor: number;
    readonly originalLength: number;
  };

/** The rotary position embedding. */
export interface RopeConfig {
  /** Base of the frequencies. */
  readonly theta: number;
  /** What is done to them. */
  readonly scaling: RopeScaling;
}

/** A decoder of one of the families. */
export interface DecoderConfig {
  /** Its family. */
  readonly family: Family;
  /** Number of token ids. */
  readonly vocabSize: number;
  /** Width of the residual stream. */
  readonly hiddenSize: number;
  /** Width of the gated layer. */
  readonly intermediateSize: number;
  /** Layers. */
  readonly layers: number;
  /** Query heads. */
  readonly heads: number;
  /** Key and value heads; they divide the query heads. */
  readonly kvHeads: number;
  /** Columns of a head, even. */
  readonly headDim: number;
  /** Added to the mean square by normalisations. */
  readonly eps: number;
  /** Tokens that a sequence can have. */
  readonly contextLength: number;
  /** Positions. */
  readonly rope: RopeConfig;
  /** For every layer, how many of the newest tokens a query sees, itself included; `undefined` for all. */
  readonly windows: readonly (number | undefined)[];
  /** Which linear layers have a bias. */
  readonly biases: { readonly qkv: boolean; readonly o: boolean; readonly mlp: boolean };
  /** Whether queries and keys are normalised head by head, before positions. */
  readonly qkNorm: boolean;
  /** Whether the head is the embedding matrix even if the weights have another. */
  readonly tied: boolean;
  /** The id that begins a text, if there is one. */
  readonly bosId?: number | undefined;
  /** Ids that end a text. */
  readonly eosIds: readonly number[];
}

/**
 * Reads what the `config.json` of a model directory has, old key names and new ones.
 *
 * @param values Its contents.
 * @returns The decoder that it describes. Keys that change nothing for these families are not looked at.
 * @example
 * ```ts
 * import { readFile } from "node:fs/promises";
 * import { readConfig } from "./config.ts";
 *
 * const config = readConfig(JSON.parse(await readFile("models/llama/config.json", "utf8")));
 * console.log(config.layers, config.rope.theta);
 * ```
 * @throws TypeError or RangeError if a value is not one that can be run: another family, activation function or RoPE scaling among them.
 */
export function readConfig(values: JsonObject): DecoderConfig {
  const family = choice(values, "model_type", FAMILIES);
  choice(values, "hidden_act", ["silu", "swish"], "silu");
  if (isRecord(values["quantization_config"])) {
    throw wrong(
      RangeError,
      "quantization_config",
      values["quantization_config"],
      "none: weights of f32, f16 or bf16",
    );
  }
  const heads = whole(values, "num_attention_heads");
  const hiddenSize = whole(values, "hidden_size");
  const layers = whole(values, "num_hidden_layers");
  const contextLength = whole(values, "max_position_embeddings", 2048);
  const attentionBias = (family === "llama" || family === "qwen3") && flag(values, "attention_bias");
  return checkConfig({
    family,
    vocabSize: whole(values, "vocab_size"),
    hiddenSize,
    intermediateSize: whole(values, "intermediate_size"),
    layers,
    heads,
    kvHeads: whole(values, "num_key_value_heads", heads),
    headDim: whole(values, "head_dim", hiddenSize / heads),
    eps: positive(values, "rms_norm_eps", 1e-6),
    contextLength,
    rope: readRope(values, contextLength),
    windows: layers > MOST_LAYERS ? [] : readWindows(values, family, layers),
    biases: {
      qkv: family === "qwen2" || attentionBias,
      o: attentionBias,
      mlp: family === "llama" && flag(values, "mlp_bias"),
    },
    qkNorm: family === "qwen3",
    tied: flag(values, "tie_word_embeddings"),
    bosId: readIds(values, "bos_token_id")[0],
    eosIds: readIds(values, "eos_token_id"),
  });
}

/**
 * Checks what concerns several values.
 *
 * @param config A decoder.
 * @returns The same.
 * @throws RangeError if it cannot be.
 */
export function checkConfig(config: DecoderConfig): DecoderConfig {
  const { layers, heads, kvHeads, headDim } = config;
  if (layers > MOST_LAYERS) throw wrong(RangeError, "layers", layers, `at most ${MOST_LAYERS}`);
  if (heads % kvHeads !== 0) {
    throw wrong(RangeError, "key and value heads", kvHeads, `a divisor of the ${heads} query heads`);
  }
  if (headDim % 2 !== 0) throw wrong(RangeError, "width of a head", headDim, "an even number");
  return config;
}

/**
 * Reads token ids.
 *
 * @param values Where from.
 * @param key A key with a number, a list of numbers or nothing.
 * @returns The ids.
 * @throws TypeError or RangeError if they are no ids.
 */
export function readIds(values: JsonObject, key: string): number[] {
  const value = values[key] ?? [];
  return [value].flat().map((id) => whole({ [key]: id }, key, undefined, 0));
}

/** `rope_parameters`, or `rope_theta` and `rope_scaling`. */
function readRope(values: JsonObject, contextLength: number): RopeConfig {
  const rope = group(values, "rope_parameters") ?? group(values, "rope_scaling") ?? {};
  const theta = positive(rope["rope_theta"] == null ? values : rope, "rope_theta", 10000);
  for (const from of [values, rope]) {
    if (positive(from, "partial_rotary_factor", 1) !== 1) {
      throw wrong(RangeError, "partial_rotary_factor", from["partial_rotary_factor"], "1");
    }
  }
  const key = rope["rope_type"] == null && rope["type"] != null ? "type" : "rope_type";
  const type = choice(rope, key, ["default", "linear", "llama3"], "default");
  if (type === "default") return { theta, scaling: { type } };
  const factor = positive(rope, "factor");
  if (type === "linear") return { theta, scaling: { type, factor } };
  const original = "original_max_position_embeddings";
  const lowFactor = positive(rope, "low_freq_factor");
  const highFactor = positive(rope, "high_freq_factor");
  if (highFactor <= lowFactor) {
    throw wrong(RangeError, "high_freq_factor", highFactor, `more than ${lowFactor}`);
  }
  const originalLength = whole(rope[original] == null ? values : rope, original, contextLength);
  return { theta, scaling: { type, factor, lowFactor, highFactor, originalLength } };
}

/** The window of every layer; a key that is missing means what the first implementation of the family takes. */
function readWindows(values: JsonObject, family: Family, layers: number): (number | undefined)[] {
  const none = new Array<undefined>(layers).fill(undefined);
  if (family === "llama") return none;
  if (family !== "mistral" && !flag(values, "use_sliding_window")) return none;
  if (values["sliding_window"] === null) return none;
  const window = whole(values, "sliding_window", 4096);
  const types = values["layer_types"] ?? undefined;
  const first = family === "mistral" ? 0 : whole(values, "max_window_layers", 28, 0);
  if (types === undefined) return none.map((_, layer) => layer >= first ? window : undefined);
  if (!Array.isArray(types)) throw wrong(TypeError, "layer_types", types, "a list");
  if (types.length !== layers) throw wrong(RangeError, "layer_types", types, `${layers} entries`);
  return types.map((type) => {
    const kind = choice({ layer_types: type }, "layer_types", ["full_attention", "sliding_attention"]);
    return kind === "sliding_attention" ? window : undefined;
  });
}
