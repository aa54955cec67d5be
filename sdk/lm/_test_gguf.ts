/**
 * Writes tiny models as GGUF files for tests.
 *
 * @module
 */
import { array, entry, F32, f32, ggufFile, STRING, text, U32, u32 } from "../weights/_gguf_test_file.ts";
import { floatsToHalves, fromHalf, halvesToFloats, toHalf } from "../weights/half.ts";
import type { TestArray, TestModel } from "./_test_model.ts";

/** Element types of GGUF that can be written. */
export type GgufTestType = "F32" | "F16" | "Q8_0";

const TYPES: Readonly<Record<GgufTestType, number>> = { F32: 0, F16: 1, Q8_0: 8 };

const NAMES: readonly (readonly [string, string])[] = [
  ["model.embed_tokens", "token_embd"],
  ["model.norm", "output_norm"],
  ["lm_head", "output"],
  ["model.layers.", "blk."],
  ["input_layernorm", "attn_norm"],
  ["post_attention_layernorm", "ffn_norm"],
  ["self_attn.o_proj", "attn_output"],
  ["self_attn.", "attn_"],
  ["mlp.", "ffn_"],
  ["_proj", ""],
];

/** What differs from the plain float32 file. */
export interface GgufTestOptions {
  /** The type of a matrix by its name in the directory. */
  readonly typeOf?: (name: string) => GgufTestType;
  /** Entries of metadata to add. */
  readonly entries?: readonly Uint8Array[];
  /** Keys of metadata to leave out, without the family. */
  readonly without?: readonly string[];
  /** Vectors to add by their name in the file. */
  readonly vectors?: Readonly<Record<string, Float32Array<ArrayBuffer>>>;
}

/** A file, and the model that it holds after rounding. */
export function ggufOf(
  { config, tensors }: TestModel,
  { typeOf = () => "F32", entries = [], without = [], vectors = {} }: GgufTestOptions = {},
): { readonly bytes: Uint8Array<ArrayBuffer>; readonly model: TestModel } {
  const family = config["model_type"] as string;
  const heads = config["num_attention_heads"] as number;
  const headDim = (config["head_dim"] as number | undefined) ?? config["hidden_size"] as number / heads;
  const rounded = new Map<string, TestArray>();
  const written = [...tensors].map(([name, { shape, data }]) => {
    const type = shape.length === 1 ? "F32" : typeOf(name);
    const { bytes, values } = encode(type, data);
    rounded.set(name, { shape, data: values });
    const turned = family !== "qwen2" && family !== "qwen3" && /[qk]_proj/.test(name);
    const rows = bytes.length / shape[0]!;
    return {
      name: NAMES.reduce((text, [from, to]) => text.replace(from, to), name),
      axes: [...shape].reverse(),
      type: TYPES[type],
      data: turned ? interleave(bytes, rows, headDim) : bytes,
    };
  });
  const numbers: Record<string, number | undefined> = {
    block_count: config["num_hidden_layers"] as number,
    context_length: config["max_position_embeddings"] as number,
    embedding_length: config["hidden_size"] as number,
    feed_forward_length: config["intermediate_size"] as number,
    "attention.head_count": heads,
    "attention.head_count_kv": config["num_key_value_heads"] as number,
    "attention.key_length": headDim,
    "attention.value_length": headDim,
    "attention.sliding_window": config["sliding_window"] as number | undefined,
  };
  const key = (name: string): string => `${family}.${name}`;
  const bytes = ggufFile({
    entries: [
      entry("general.architecture", STRING, text(family)),
      ...Object.entries(numbers)
        .filter(([name, value]) => value !== undefined && !without.includes(name))
        .map(([name, value]) => entry(key(name), U32, u32(value!))),
      entry(key("attention.layer_norm_rms_epsilon"), F32, f32(config["rms_norm_eps"] as number)),
      entry(key("rope.freq_base"), F32, f32(config["rope_theta"] as number)),
      ...entries,
    ],
    tensors: [
      ...written,
      ...Object.entries(vectors).map(([name, data]) => ({
        name,
        axes: [data.length],
        type: TYPES.F32,
        data: new Uint8Array(data.buffer),
      })),
    ],
  });
  return { bytes, model: { config, tensors: rounded } };
}

/** An entry that lists a number for every layer. */
export function perLayer(key: string, values: readonly number[]): Uint8Array {
  return entry(key, 9, array(U32, values.map(u32)));
}

function encode(
  type: GgufTestType,
  data: Float32Array<ArrayBuffer>,
): { readonly bytes: Uint8Array; readonly values: Float32Array<ArrayBuffer> } {
  if (type === "F32") return { bytes: new Uint8Array(data.slice().buffer), values: data };
  if (type === "F16") {
    const halves = floatsToHalves(data);
    return { bytes: new Uint8Array(halves.buffer), values: halvesToFloats(halves) };
  }
  const values = new Float32Array(data.length);
  const bytes = new Uint8Array(data.length / 32 * 34);
  for (let block = 0; block < data.length / 32; block++) {
    const part = data.subarray(32 * block, 32 * block + 32);
    const half = toHalf(part.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127);
    new DataView(bytes.buffer).setUint16(34 * block, half, true);
    part.forEach((value, i) => {
      const code = Math.max(-127, Math.min(127, Math.round(value / fromHalf(half))));
      bytes[34 * block + 2 + i] = code;
      values[32 * block + i] = code * fromHalf(half);
    });
  }
  return { bytes, values };
}

/** What the converters of GGUF do to rows of queries and keys: i and i + D / 2 of a head become neighbours. */
function interleave(bytes: Uint8Array, row: number, headDim: number): Uint8Array {
  const out = new Uint8Array(bytes.length);
  for (let head = 0; head < bytes.length / row; head += headDim) {
    for (let i = 0; i < headDim; i++) {
      const to = i < headDim / 2 ? 2 * i : 2 * (i - headDim / 2) + 1;
      out.set(bytes.subarray((head + i) * row, (head + i + 1) * row), (head + to) * row);
    }
  }
  return out;
}
