/**
 * What a decoder is, as the metadata of a GGUF file says.
 *
 * @module
 */
import type { GgufMetadata, GgufModel } from "../weights/gguf.ts";
import { choice, positive, whole, wrong } from "./_config_values.ts";
import { checkConfig, type DecoderConfig, FAMILIES, readIds, type RopeScaling } from "./config.ts";
import type { JsonObject } from "./read_json.ts";

/**
 * Reads the metadata of a file; biases are known by their tensors.
 *
 * @param model An open file.
 * @returns The decoder that it holds.
 * @throws TypeError, RangeError or WeightsError if a value is not one that can be run.
 */
export function ggufConfig({ metadata, tensors }: Pick<GgufModel, "metadata" | "tensors">): DecoderConfig {
  const values = valuesOf(metadata);
  const family = choice(values, "general.architecture", FAMILIES);
  const at = (key: string): string => `${family}.${key}`;
  const heads = whole(values, at("attention.head_count"));
  const hiddenSize = whole(values, at("embedding_length"));
  const layers = whole(values, at("block_count"));
  const headDim = whole(values, at("attention.key_length"), hiddenSize / heads);
  for (const key of [at("attention.value_length"), at("rope.dimension_count")]) {
    if (whole(values, key, headDim) !== headDim) {
      throw wrong(RangeError, key, values[key], `the width of a head, ${headDim}`);
    }
  }
  if (whole(values, at("expert_count"), 0, 0) > 0) {
    throw wrong(RangeError, at("expert_count"), values[at("expert_count")], "none");
  }
  const rows = tensors.get("token_embd.weight")?.shape[0];
  const window = whole(values, at("attention.sliding_window"), 0, 0) || undefined;
  return checkConfig({
    family,
    vocabSize: whole(values, at("vocab_size"), rows),
    hiddenSize,
    intermediateSize: whole(values, at("feed_forward_length")),
    layers,
    heads,
    kvHeads: whole(values, at("attention.head_count_kv"), heads),
    headDim,
    eps: positive(values, at("attention.layer_norm_rms_epsilon")),
    contextLength: whole(values, at("context_length"), 2048),
    rope: { theta: positive(values, at("rope.freq_base"), 10000), scaling: scalingOf(values, at) },
    windows: new Array<number | undefined>(Math.min(layers, 1024)).fill(window),
    biases: {
      qkv: tensors.has("blk.0.attn_q.bias"),
      o: tensors.has("blk.0.attn_output.bias"),
      mlp: tensors.has("blk.0.ffn_gate.bias"),
    },
    qkNorm: family === "qwen3",
    tied: false,
    bosId: readIds(values, "tokenizer.ggml.bos_token_id")[0],
    eosIds: [
      ...new Set(["eos", "eot", "eom"].flatMap((end) => readIds(values, `tokenizer.ggml.${end}_token_id`))),
    ],
  });
}

/** Numbers and texts; a list of numbers that are all the same counts as one number. */
function valuesOf(metadata: GgufMetadata): JsonObject {
  const values: Record<string, unknown> = {};
  for (const key of metadata.keys) {
    const { value } = metadata.get(key)!;
    if (typeof value === "bigint") values[key] = Number(value);
    else if (typeof value !== "object") values[key] = value;
    else if (key.endsWith(".attention.head_count_kv")) {
      const counts = [...new Set(metadata.numbers(key))];
      values[key] = counts.length === 1 ? counts[0] : counts;
    }
  }
  return values;
}

function scalingOf(values: JsonObject, at: (key: string) => string): RopeScaling {
  const old = at("rope.scale_linear");
  const type = choice(
    values,
    at("rope.scaling.type"),
    ["none", "linear"],
    values[old] == null ? "none" : "linear",
  );
  if (type === "none") return { type: "default" };
  const key = at("rope.scaling.factor");
  return { type, factor: values[key] == null ? positive(values, old) : positive(values, key) };
}
