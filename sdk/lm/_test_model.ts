/**
 * Tiny models with random weights for tests.
 *
 * @module
 */
import { random } from "../testing/random.ts";
import { floatsToHalves, halvesToFloats } from "../weights/half.ts";
import { type SafetensorsEntry, writeSafetensors } from "../weights/safetensors.ts";
import { memoryFiles, type WeightFiles } from "../weights/source.ts";
import type { DecoderConfig } from "./config.ts";

/** The contents of a `config.json`. */
export type RawConfig = Readonly<Record<string, unknown>>;

/** A tensor in row-major order. */
export interface TestArray {
  readonly shape: readonly number[];
  readonly data: Float32Array<ArrayBuffer>;
}

/** A model in memory. */
export interface TestModel {
  readonly config: RawConfig;
  readonly tensors: Map<string, TestArray>;
}

/** What every tiny model has unless said. */
export const TINY = {
  vocab_size: 40,
  hidden_size: 32,
  intermediate_size: 48,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  hidden_act: "silu",
  rms_norm_eps: 1e-5,
  max_position_embeddings: 1024,
  rope_theta: 10000,
} as const;

/** What a llama of these sizes is. */
export const TINY_DECODER: DecoderConfig = {
  family: "llama",
  vocabSize: 40,
  hiddenSize: 32,
  intermediateSize: 48,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  headDim: 8,
  eps: 1e-5,
  contextLength: 1024,
  rope: { theta: 10000, scaling: { type: "default" } },
  windows: [undefined, undefined],
  biases: { qkv: false, o: false, mlp: false },
  qkNorm: false,
  tied: false,
  bosId: undefined,
  eosIds: [],
};

/** What decides which tensors there are. */
export interface TensorChoice {
  /** Linear layers with a bias: `q_proj`, ... */
  readonly biases?: readonly string[];
  readonly qkNorm?: boolean;
  readonly head?: boolean;
}

/** A model with the tensors that are asked for. */
export function testModel(config: RawConfig, seed: number, choice: TensorChoice = {}): TestModel {
  const r = random(seed);
  const all = { ...TINY, ...config } as Record<string, unknown>;
  const size = (key: string): number => all[key] as number;
  const hidden = size("hidden_size");
  const headDim = (all["head_dim"] as number | undefined) ?? hidden / size("num_attention_heads");
  const queries = size("num_attention_heads") * headDim;
  const keys = size("num_key_value_heads") * headDim;
  const wide = size("intermediate_size");
  const tensors = new Map<string, TestArray>();
  const norm = (name: string, n: number): void =>
    void tensors.set(`${name}.weight`, { shape: [n], data: r.normals(n, 0.2, 1) });
  const matrix = (name: string, n: number, k: number): void => {
    tensors.set(`${name}.weight`, { shape: [n, k], data: r.normals(n * k, 1.5 / Math.sqrt(k)) });
    if (choice.biases?.includes(name.split(".").at(-1)!)) {
      tensors.set(`${name}.bias`, { shape: [n], data: r.normals(n, 0.5) });
    }
  };
  matrix("model.embed_tokens", size("vocab_size"), hidden);
  for (let layer = 0; layer < size("num_hidden_layers"); layer++) {
    const at = `model.layers.${layer}`;
    norm(`${at}.input_layernorm`, hidden);
    norm(`${at}.post_attention_layernorm`, hidden);
    matrix(`${at}.self_attn.q_proj`, queries, hidden);
    matrix(`${at}.self_attn.k_proj`, keys, hidden);
    matrix(`${at}.self_attn.v_proj`, keys, hidden);
    matrix(`${at}.self_attn.o_proj`, hidden, queries);
    if (choice.qkNorm) norm(`${at}.self_attn.q_norm`, headDim);
    if (choice.qkNorm) norm(`${at}.self_attn.k_norm`, headDim);
    matrix(`${at}.mlp.gate_proj`, wide, hidden);
    matrix(`${at}.mlp.up_proj`, wide, hidden);
    matrix(`${at}.mlp.down_proj`, hidden, wide);
  }
  norm("model.norm", hidden);
  if (choice.head !== false) matrix("lm_head", size("vocab_size"), hidden);
  return { config: all, tensors };
}

/** A model whose weights are rounded to a type, and its files in that type. */
export function filesOf(
  { config, tensors }: TestModel,
  dtype: "F32" | "F16" | "BF16" = "F32",
): { readonly model: TestModel; readonly files: WeightFiles } {
  const rounded = new Map<string, TestArray>();
  const entries = new Map<string, SafetensorsEntry>();
  for (const [name, { shape, data }] of tensors) {
    const bits = dtype === "F16" ? floatsToHalves(data) : topBits(data);
    entries.set(name, dtype === "F32" ? { dtype, shape, data } : { dtype, shape, data: bits });
    const widened = dtype === "F16" ? halvesToFloats(bits) : fromTopBits(bits);
    rounded.set(name, { shape, data: dtype === "F32" ? data : widened });
  }
  const files = memoryFiles(
    new Map([
      ["config.json", new TextEncoder().encode(JSON.stringify(config))],
      ["model.safetensors", writeSafetensors(entries)],
    ]),
  );
  return { model: { config, tensors: rounded }, files };
}

function topBits(data: Float32Array<ArrayBuffer>): Uint16Array<ArrayBuffer> {
  return Uint16Array.from(new Uint32Array(data.buffer), (bits) => bits >>> 16);
}

function fromTopBits(bits: Uint16Array): Float32Array<ArrayBuffer> {
  return new Float32Array(Uint32Array.from(bits, (value) => value * 65536).buffer);
}
