/**
 * Tokens per second of a whole model over a long context, where attention dominates: dense, Double Sparsity, Mustafar, and offloaded with both ways to fetch ahead. The weights are
 * random, and so is the context, which is put into the caches as it is: what is measured is time.
 *
 * Run: `deno run -A generate.ts` or `bun generate.ts` in `bench/`, with `--length 32768`, `--threads 1`, `--device wasm`, `--json`.
 *
 * @module
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { bitmap, dense, offload, type Storage } from "../sdk/cache/mod.ts";
import { type DeviceKind, openDevice, slice } from "../sdk/device/mod.ts";
import { calibrate, CausalLM, type CausalLMOptions } from "../sdk/lm/mod.ts";
import { doubleSparsity } from "../sdk/methods/double_sparsity.ts";
import { memoryFiles, type SafetensorsEntry, writeSafetensors } from "../sdk/weights/mod.ts";
import { normals, random } from "./random.ts";
import { machine, measure, show, type Spread } from "./stats.ts";

const { values } = parseArgs({
  options: {
    json: { type: "boolean" },
    length: { type: "string", default: "32768" },
    threads: { type: "string", default: "1" },
    device: { type: "string", default: "wasm" },
  },
});
const length = Number(values.length);
const STEPS = 8;
const CONFIG = {
  model_type: "llama",
  vocab_size: 4096,
  hidden_size: 512,
  intermediate_size: 1024,
  num_hidden_layers: 8,
  num_attention_heads: 8,
  num_key_value_heads: 4,
  head_dim: 64,
  hidden_act: "silu",
  rms_norm_eps: 1e-5,
  max_position_embeddings: 2 * length,
  tie_word_embeddings: true,
  rope_theta: 500000,
};
const next = random(11);

function modelFiles(): Parameters<typeof CausalLM.load>[0] {
  const tensors = new Map<string, SafetensorsEntry>();
  const put = (name: string, ...shape: number[]): void => {
    const [n, k = 0] = shape;
    const data = k === 0 ? new Float32Array(n!).fill(1) : normals(next, n! * k).map((x) => x / Math.sqrt(k));
    tensors.set(`${name}.weight`, { dtype: "F32", shape, data });
  };
  const { hidden_size: hidden, intermediate_size: wide, head_dim: dim } = CONFIG;
  put("model.embed_tokens", CONFIG.vocab_size, hidden);
  for (let layer = 0; layer < CONFIG.num_hidden_layers; layer++) {
    const at = `model.layers.${layer}`;
    put(`${at}.input_layernorm`, hidden);
    put(`${at}.post_attention_layernorm`, hidden);
    put(`${at}.self_attn.q_proj`, CONFIG.num_attention_heads * dim, hidden);
    put(`${at}.self_attn.k_proj`, CONFIG.num_key_value_heads * dim, hidden);
    put(`${at}.self_attn.v_proj`, CONFIG.num_key_value_heads * dim, hidden);
    put(`${at}.self_attn.o_proj`, hidden, CONFIG.num_attention_heads * dim);
    put(`${at}.mlp.gate_proj`, wide, hidden);
    put(`${at}.mlp.up_proj`, wide, hidden);
    put(`${at}.mlp.down_proj`, hidden, wide);
  }
  put("model.norm", hidden);
  const config = new TextEncoder().encode(JSON.stringify(CONFIG));
  return memoryFiles(new Map([["config.json", config], ["model.safetensors", writeSafetensors(tensors)]]));
}

const device = await openDevice({ prefer: values.device as DeviceKind, threads: Number(values.threads) });
const lines: { name: string; ms: Spread; beside: string }[] = [];
let base: Spread | undefined;

async function time(name: string, lm: CausalLM, options: Partial<CausalLMOptions>): Promise<void> {
  using own = lm.with(options);
  using sequence = own.sequence();
  const piece = 2048;
  const shape = [CONFIG.num_key_value_heads, piece, CONFIG.head_dim];
  const rows = device.tensor(normals(next, shape[0]! * shape[1]! * shape[2]!), shape);
  for (let at = 0; at < length; at += piece) {
    using scope = device.scope();
    const x = length - at < piece ? slice(scope, rows, 1, 0, length - at) : rows;
    for (const cache of sequence.caches) {
      cache.append(x, x);
      await cache.settle();
    }
  }
  rows.dispose();
  const ids = device.tensor(Int32Array.of(7), [1]);
  const step = async (): Promise<void> => {
    const logits = await own.stepAsync([sequence], ids);
    logits.dispose();
  };
  const ms = await measure(async () => {
    for (let i = 0; i < STEPS; i++) await step();
    await ids.read("i32");
  }, 3);
  ids.dispose();
  base ??= ms;
  const beside = `${(1000 * STEPS / ms.median).toFixed(1)} tokens/s, ${(base.median / ms.median).toFixed(2)}x dense, ${(sequence.bytes / 1e6).toFixed(0)} MB of KV on the device`;
  lines.push({ name, ms, beside });
  if (!values.json) console.log(`${name.padEnd(44)} ${show(ms).padStart(28)}  ${beside}`);
}

const lm = await CausalLM.load(modelFiles(), { device });
if (!values.json) {
  console.log(`${STEPS} steps of ${CONFIG.num_hidden_layers} layers, hidden ${CONFIG.hidden_size}, ${CONFIG.num_attention_heads}/${CONFIG.num_key_value_heads} heads of ${CONFIG.head_dim}, over ${length} tokens on ${machine()}, ${device.report.adapter}\n`);
}
const profile = await calibrate(lm, [Int32Array.from({ length: 256 }, () => Math.floor(next() * CONFIG.vocab_size))]);
const sparse = (shared: boolean) => doubleSparsity({ profile, labelChannels: CONFIG.head_dim / 8, tokens: length / 16, shared });
const away: Storage = offload({ of: dense({ type: "f16" }) });
const near = doubleSparsity({ profile, labelChannels: CONFIG.head_dim / 8, tokens: 256, shared: true, denseLayers: [] });
await time("dense f32", lm, { cache: dense() });
await time("dense f16", lm, { cache: dense({ type: "f16" }) });
await time("Double Sparsity 1/16 over f32", lm, { cache: dense(), select: sparse(false) });
await time("Double Sparsity 1/16, a list per KV head", lm, { cache: dense(), select: sparse(true) });
await time("Mustafar 0.7", lm, { cache: bitmap() });
await time("Mustafar 0.7 with Double Sparsity", lm, { cache: bitmap(), select: sparse(true) });
await time("offloaded, 256 tokens, a layer ahead", lm, { cache: away, select: near, fetchAhead: "layer" });
await time("offloaded, 256 tokens, a step ahead", lm, { cache: away, select: near, fetchAhead: "step" });
if (values.json) console.log(JSON.stringify({ machine: machine(), device: device.report.adapter, length, config: CONFIG, lines }, null, 2));
device.dispose();
process.exitCode = 0;
