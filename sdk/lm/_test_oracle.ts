/**
 * A decoder in plain float64, written from the papers and the keys of `config.json` alone: shares nothing with what it checks.
 *
 * @module
 */
import type { RawConfig, TestModel } from "./_test_model.ts";

type Rows = number[][];

/** What a text gives. */
export interface Expected {
  /** Row per token. */
  readonly logits: Rows;
  /** The residual stream: embeddings, after each layer but the last, after the last normalisation. */
  readonly hidden: readonly Rows[];
}

/** Runs a model over a whole text, no cache, one head and one token after the other. */
export function oracle(model: TestModel, ids: readonly number[]): Expected {
  const { config } = model;
  const get = (name: string): Float32Array | undefined => model.tensors.get(name)?.data;
  const eps = config["rms_norm_eps"] as number;
  const layers = config["num_hidden_layers"] as number;
  const heads = config["num_attention_heads"] as number;
  const kvHeads = (config["num_key_value_heads"] as number | undefined) ?? heads;
  const hiddenSize = config["hidden_size"] as number;
  const headDim = (config["head_dim"] as number | undefined) ?? hiddenSize / heads;
  const embedding = get("model.embed_tokens.weight")!;
  const dense = (name: string, x: readonly number[]): number[] =>
    apply(get(`${name}.weight`)!, get(`${name}.bias`), x);

  let x: Rows = ids.map((id) => [...embedding.subarray(id * hiddenSize, (id + 1) * hiddenSize)]);
  const hidden: Rows[] = [];
  for (let layer = 0; layer < layers; layer++) {
    hidden.push(x);
    const at = `model.layers.${layer}`;
    const h = x.map((row) => rms(row, get(`${at}.input_layernorm.weight`)!, eps));
    const split = (part: string, normName: string, rotated: boolean): Rows[] =>
      h.map((row, position) => {
        const flat = dense(`${at}.self_attn.${part}`, row);
        const norm = get(`${at}.self_attn.${normName}.weight`);
        return Array.from({ length: flat.length / headDim }, (_, head) => {
          const own = flat.slice(head * headDim, (head + 1) * headDim);
          const normed = norm ? rms(own, norm, eps) : own;
          return rotated ? rotate(normed, position, config) : normed;
        });
      });
    const [q, k, v] = [
      split("q_proj", "q_norm", true),
      split("k_proj", "k_norm", true),
      split("v_proj", "-", false),
    ];
    const window = windowOf(config, layer);
    x = x.map((row, i) => {
      const out = Array.from({ length: heads }, (_, head) => {
        const kv = Math.floor(head / (heads / kvHeads));
        const first = Math.max(0, i - window + 1);
        const scores: number[] = [];
        for (let j = first; j <= i; j++) scores.push(dot(q[i]![head]!, k[j]![kv]!) / Math.sqrt(headDim));
        const most = Math.max(...scores);
        const weights = scores.map((score) => Math.exp(score - most));
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        return Array.from(
          { length: headDim },
          (_, d) => weights.reduce((sum, weight, j) => sum + weight / total * v[first + j]![kv]![d]!, 0),
        );
      });
      const mixed = plus(row, dense(`${at}.self_attn.o_proj`, out.flat()));
      const g = rms(mixed, get(`${at}.post_attention_layernorm.weight`)!, eps);
      const up = dense(`${at}.mlp.up_proj`, g);
      const gated = dense(`${at}.mlp.gate_proj`, g).map((value, n) =>
        value / (1 + Math.exp(-value)) * up[n]!
      );
      return plus(mixed, dense(`${at}.mlp.down_proj`, gated));
    });
  }
  const last = x.map((row) => rms(row, get("model.norm.weight")!, eps));
  hidden.push(last);
  const own = config["tie_word_embeddings"] === true ? undefined : get("lm_head.weight");
  return { logits: last.map((row) => apply(own ?? embedding, undefined, row)), hidden };
}

function windowOf(config: RawConfig, layer: number): number {
  const window = config["sliding_window"] as number | null | undefined;
  if (window == null || config["model_type"] === "llama") return Infinity;
  if (config["model_type"] === "mistral") return window;
  if (config["use_sliding_window"] !== true) return Infinity;
  const types = config["layer_types"] as string[] | undefined;
  const slides = types
    ? types[layer] === "sliding_attention"
    : layer >= (config["max_window_layers"] as number);
  return slides ? window : Infinity;
}

/** Column i turns with column i + D / 2. */
function rotate(x: readonly number[], position: number, config: RawConfig): number[] {
  const half = x.length / 2;
  const out = [...x];
  for (let i = 0; i < half; i++) {
    const angle = position * frequency(i, x.length, config);
    out[i] = x[i]! * Math.cos(angle) - x[i + half]! * Math.sin(angle);
    out[i + half] = x[i + half]! * Math.cos(angle) + x[i]! * Math.sin(angle);
  }
  return out;
}

function frequency(i: number, headDim: number, config: RawConfig): number {
  const rope = (config["rope_parameters"] ?? config["rope_scaling"] ?? {}) as Record<string, number | string>;
  const theta = Number(rope["rope_theta"] ?? config["rope_theta"]);
  const f = Math.pow(theta, -2 * i / headDim);
  const type = rope["rope_type"] ?? rope["type"] ?? "default";
  const factor = Number(rope["factor"]);
  if (type === "linear") return f / factor;
  if (type !== "llama3") return f;
  const [low, high] = [Number(rope["low_freq_factor"]), Number(rope["high_freq_factor"])];
  const wavelength = 2 * Math.PI / f;
  const original = Number(rope["original_max_position_embeddings"]);
  if (wavelength < original / high) return f;
  if (wavelength > original / low) return f / factor;
  const smooth = (original / wavelength - low) / (high - low);
  return (1 - smooth) * f / factor + smooth * f;
}

function rms(x: readonly number[], weight: Float32Array, eps: number): number[] {
  const square = x.reduce((sum, value) => sum + value * value, 0) / x.length;
  return x.map((value, i) => value / Math.sqrt(square + eps) * weight[i]!);
}

function apply(w: Float32Array, bias: Float32Array | undefined, x: readonly number[]): number[] {
  return Array.from({ length: w.length / x.length }, (_, n) => {
    const row = w.subarray(n * x.length, (n + 1) * x.length);
    return x.reduce((sum, value, k) => sum + value * row[k]!, bias?.[n] ?? 0);
  });
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, i) => sum + value * b[i]!, 0);
}

function plus(a: readonly number[], b: readonly number[]): number[] {
  return a.map((value, i) => value + b[i]!);
}
