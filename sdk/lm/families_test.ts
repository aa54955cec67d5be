import { describe, test } from "node:test";
import { openWasm } from "../../wasm/mod.ts";
import { createDevice } from "../device/core_device.ts";
import { openReference } from "../device/reference/mod.ts";
import type { Tensor } from "../device/tensor.ts";
import { assertEquals } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { filesOf, type RawConfig, type TensorChoice, testModel } from "./_test_model.ts";
import { oracle } from "./_test_oracle.ts";
import { largest, take } from "./_test_values.ts";
import { CausalLM } from "./causal_lm.ts";

const DEVICES = {
  reference: createDevice(openReference()),
  wasm: createDevice((await openWasm({ threads: 1 })).backend),
};
const QKV = ["q_proj", "k_proj", "v_proj"];
const MLP = ["gate_proj", "up_proj", "down_proj"];

interface Case extends TensorChoice {
  readonly name: string;
  readonly config: RawConfig;
  readonly dtype?: "F32" | "F16" | "BF16";
}

const llama = (config: RawConfig = {}): RawConfig => ({ model_type: "llama", ...config });
const llama3 = {
  rope_type: "llama3",
  factor: 8,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 64,
};

const CASES: readonly Case[] = [
  { name: "llama", config: llama() },
  { name: "llama with as many key heads as query heads", config: llama({ num_key_value_heads: 4 }) },
  { name: "llama with a head width of its own", config: llama({ head_dim: 12 }) },
  {
    name: "llama with biases everywhere",
    config: llama({ attention_bias: true, mlp_bias: true }),
    biases: [...QKV, "o_proj", ...MLP],
  },
  { name: "llama with RoPE scaling llama3", config: llama({ rope_scaling: llama3, head_dim: 16 }) },
  {
    name: "llama with RoPE scaling llama3 in new keys",
    config: llama({
      rope_theta: null,
      rope_parameters: { ...llama3, rope_theta: 500 },
      dtype: "float32",
      head_dim: 16,
    }),
  },
  { name: "llama with RoPE scaling linear", config: llama({ rope_scaling: { type: "linear", factor: 4 } }) },
  { name: "llama with tied embeddings", config: llama({ tie_word_embeddings: true }), head: false },
  {
    name: "llama with tied embeddings and a head that does not count",
    config: llama({ tie_word_embeddings: true }),
  },
  { name: "llama without a head", config: llama(), head: false },
  { name: "llama in bf16", config: llama({ torch_dtype: "bfloat16" }), dtype: "BF16" },
  { name: "llama in f16", config: llama(), dtype: "F16" },
  { name: "qwen2", config: { model_type: "qwen2", sliding_window: 4, max_window_layers: 0 }, biases: QKV },
  {
    name: "qwen2 with a window from layer 1",
    config: { model_type: "qwen2", use_sliding_window: true, sliding_window: 5, max_window_layers: 1 },
    biases: QKV,
  },
  {
    name: "qwen2 with a window by layer_types",
    config: {
      model_type: "qwen2",
      use_sliding_window: true,
      sliding_window: 5,
      max_window_layers: 2,
      layer_types: ["sliding_attention", "full_attention"],
    },
    biases: QKV,
  },
  { name: "qwen3", config: { model_type: "qwen3", head_dim: 16 }, qkNorm: true },
  {
    name: "qwen3 with biases",
    config: { model_type: "qwen3", attention_bias: true },
    qkNorm: true,
    biases: [...QKV, "o_proj"],
  },
  { name: "mistral", config: { model_type: "mistral", sliding_window: null } },
  { name: "mistral with a window", config: { model_type: "mistral", sliding_window: 6 } },
  { name: "mistral with a window of one token", config: { model_type: "mistral", sliding_window: 1 } },
];

for (const [title, device] of Object.entries(DEVICES)) {
  describe(`CausalLM on ${title}`, () => {
    CASES.forEach(({ name, config, dtype, ...choice }, at) => {
      test(`computes ${name} as a plain float64 decoder does, whole and token by token`, async () => {
        const { model, files } = filesOf(testModel(config, at + 1, choice), dtype);
        const ids = random(at).ints(21, 0, 40);
        const expected = oracle(model, [...ids]);
        using lm = await CausalLM.load(files, { device });

        const hidden: number[][] = [];
        const inspect = async (_: number, x: Tensor): Promise<void> => void hidden.push([...await x.read()]);
        const logits = await take(await lm.logits(ids, { inspect }));
        assertEquals(hidden.length, expected.hidden.length);
        hidden.forEach((rows, i) => assertEquals(largest(rows, expected.hidden[i]!.flat()) < 1e-4, true));
        assertEquals(largest(logits, expected.logits.flat()) < 1e-4, true);

        using sequence = lm.sequence();
        const begin = await take(await lm.prefill(sequence, ids.subarray(0, 9)));
        assertEquals(largest(begin, expected.logits[8]!) < 1e-4, true);
        const more = await take(await lm.prefill(sequence, ids.subarray(9, 15)));
        assertEquals(largest(more, expected.logits[14]!) < 1e-4, true);
        for (let i = 15; i < ids.length; i++) {
          const next = device.tensor(ids.slice(i, i + 1), [1]);
          const row = await take(lm.step([sequence], next));
          next.dispose();
          assertEquals(largest(row, expected.logits[i]!) < 1e-4, true, `token ${i}`);
        }
      });
    });

    test("computes a prompt of several chunks as a plain float64 decoder does, windows included", async () => {
      for (const config of [llama({ num_hidden_layers: 1 }), { model_type: "mistral", sliding_window: 20 }]) {
        const { model, files } = filesOf(testModel({ ...config, hidden_size: 8, intermediate_size: 8 }, 5));
        const ids = random(6).ints(530, 0, 40);
        using lm = await CausalLM.load(files, { device });
        const logits = await take(await lm.logits(ids));
        assertEquals(largest(logits, oracle(model, [...ids]).logits.flat()) < 1e-4, true);
      }
    });
  });
}
