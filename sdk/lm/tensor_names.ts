/**
 * How the tensors of a decoder are called in model directories and in GGUF files.
 *
 * @module
 */
import { WeightsError } from "../device/errors.ts";
import type { StoredTensor } from "../weights/store.ts";
import type { DecoderConfig } from "./config.ts";

/** Parts of a layer. */
export type LayerPart =
  | "attentionNorm"
  | "q"
  | "k"
  | "v"
  | "o"
  | "qNorm"
  | "kNorm"
  | "mlpNorm"
  | "gate"
  | "up"
  | "down";

/** Names without `.weight` and `.bias`. */
export interface Naming {
  /** The embedding matrix. */
  readonly embedding: string;
  /** The normalisation after the last layer. */
  readonly norm: string;
  /** The matrix that gives logits. */
  readonly head: string;
  /** What the names of a layer begin with. */
  readonly layer: (index: number) => string;
  /** How they go on. */
  readonly parts: Readonly<Record<LayerPart, string>>;
  /** Tensors that are not asked for: tables that follow from the configuration, and what golden files compare with. */
  readonly skip: RegExp;
}

/** Names in the files of a model directory. */
export const DIRECTORY_NAMES: Naming = {
  embedding: "model.embed_tokens",
  norm: "model.norm",
  head: "lm_head",
  layer: (index) => `model.layers.${index}.`,
  parts: {
    attentionNorm: "input_layernorm",
    q: "self_attn.q_proj",
    k: "self_attn.k_proj",
    v: "self_attn.v_proj",
    o: "self_attn.o_proj",
    qNorm: "self_attn.q_norm",
    kNorm: "self_attn.k_norm",
    mlpNorm: "post_attention_layernorm",
    gate: "mlp.gate_proj",
    up: "mlp.up_proj",
    down: "mlp.down_proj",
  },
  skip: /^fixture\.|(^|\.)rotary_emb\.inv_freq$/,
};

/** Names in GGUF files. */
export const GGUF_NAMES: Naming = {
  embedding: "token_embd",
  norm: "output_norm",
  head: "output",
  layer: (index) => `blk.${index}.`,
  parts: {
    attentionNorm: "attn_norm",
    q: "attn_q",
    k: "attn_k",
    v: "attn_v",
    o: "attn_output",
    qNorm: "attn_q_norm",
    kNorm: "attn_k_norm",
    mlpNorm: "ffn_norm",
    gate: "ffn_gate",
    up: "ffn_up",
    down: "ffn_down",
  },
  skip: /^$/,
};

/** A tensor of a GGUF file that divides the rotary frequencies [headDim / 2]; the only place where such a file says how Llama 3.1 scales. */
export const ROPE_FACTORS = "rope_freqs.weight";

/**
 * The shapes of all tensors of a decoder.
 *
 * @param config The decoder.
 * @param naming How they are called.
 * @returns Shapes by full name, without the head.
 */
export function shapesOf(config: DecoderConfig, naming: Naming): Map<string, readonly number[]> {
  const { hiddenSize, intermediateSize, heads, kvHeads, headDim, biases } = config;
  const [queries, keys] = [heads * headDim, kvHeads * headDim];
  const shapes = new Map<string, readonly number[]>([
    [`${naming.embedding}.weight`, [config.vocabSize, hiddenSize]],
    [`${naming.norm}.weight`, [hiddenSize]],
  ]);
  const matrices: readonly [LayerPart, number, number, boolean][] = [
    ["q", queries, hiddenSize, biases.qkv],
    ["k", keys, hiddenSize, biases.qkv],
    ["v", keys, hiddenSize, biases.qkv],
    ["o", hiddenSize, queries, biases.o],
    ["gate", intermediateSize, hiddenSize, biases.mlp],
    ["up", intermediateSize, hiddenSize, biases.mlp],
    ["down", hiddenSize, intermediateSize, biases.mlp],
  ];
  for (let layer = 0; layer < config.layers; layer++) {
    const stem = (part: LayerPart): string => naming.layer(layer) + naming.parts[part];
    shapes.set(`${stem("attentionNorm")}.weight`, [hiddenSize]);
    shapes.set(`${stem("mlpNorm")}.weight`, [hiddenSize]);
    if (config.qkNorm) {
      shapes.set(`${stem("qNorm")}.weight`, [headDim]);
      shapes.set(`${stem("kNorm")}.weight`, [headDim]);
    }
    for (const [part, n, k, bias] of matrices) {
      shapes.set(`${stem(part)}.weight`, [n, k]);
      if (bias) shapes.set(`${stem(part)}.bias`, [n]);
    }
  }
  return shapes;
}

/**
 * Refuses weights that are not those of a decoder, before any of them is read.
 *
 * @param tensors What the files have.
 * @param config The decoder.
 * @param naming How its tensors are called.
 * @throws WeightsError for a tensor that is missing, unknown or of another shape.
 */
export function checkTensors(
  tensors: ReadonlyMap<string, StoredTensor>,
  config: DecoderConfig,
  naming: Naming,
): void {
  const required = shapesOf(config, naming);
  const optional = new Map<string, readonly number[]>([
    [`${naming.head}.weight`, [config.vocabSize, config.hiddenSize]],
    ...(naming === GGUF_NAMES ? [[ROPE_FACTORS, [config.headDim / 2]] as const] : []),
  ]);
  for (const name of required.keys()) {
    if (!tensors.has(name)) {
      throw new WeightsError(`Cannot load the model: tensor ${JSON.stringify(name)} is missing`);
    }
  }
  for (const { name, shape } of tensors.values()) {
    if (naming.skip.test(name)) continue;
    const expected = required.get(name) ?? optional.get(name);
    if (expected === undefined) {
      throw new WeightsError(
        `Cannot load the model: tensor ${JSON.stringify(name)} is not one of a ${config.family} decoder of ` +
          `${config.layers} layers with this configuration`,
      );
    }
    if (shape.length !== expected.length || shape.some((size, i) => size !== expected[i])) {
      throw new WeightsError(
        `Cannot load the model: tensor ${JSON.stringify(name)} has shape [${shape}], expected [${expected}]`,
      );
    }
  }
}
