import { describe, test } from "node:test";
import { assertEquals, assertStringIncludes, assertThrows } from "../testing/assert.ts";
import { TINY, TINY_DECODER } from "./_test_model.ts";
import { readConfig } from "./config.ts";

const read = (changes: Record<string, unknown>) => readConfig({ model_type: "llama", ...TINY, ...changes });

describe("readConfig()", () => {
  test("fills in what a configuration leaves out", () => {
    const { num_key_value_heads: _, rope_theta: __, hidden_act: ___, ...rest } = TINY;
    assertEquals(readConfig({ model_type: "llama", ...rest }), { ...TINY_DECODER, kvHeads: 4 });
  });

  test("reads ids that end a text from a number, a list or nothing", () => {
    assertEquals(read({ eos_token_id: 2, bos_token_id: 1 }).eosIds, [2]);
    assertEquals(read({ eos_token_id: [2, 0], bos_token_id: 1 }).bosId, 1);
    assertEquals(read({ eos_token_id: [2, 0] }).eosIds, [2, 0]);
    assertEquals(read({ eos_token_id: null }).eosIds, []);
    assertThrows(() => read({ eos_token_id: -1 }), RangeError);
    assertThrows(() => read({ eos_token_id: ["2"] }), TypeError);
  });

  test("reads RoPE from old keys and from new ones", () => {
    const llama3 = {
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 64,
    };
    const expected = {
      theta: 500,
      scaling: { type: "llama3", factor: 8, lowFactor: 1, highFactor: 4, originalLength: 64 } as const,
    };
    assertEquals(read({ rope_theta: 500, rope_scaling: { type: "llama3", ...llama3 } }).rope, expected);
    assertEquals(read({ rope_theta: 500, rope_scaling: { rope_type: "llama3", ...llama3 } }).rope, expected);
    const parameters = { rope_type: "llama3", rope_theta: 500, ...llama3 };
    assertEquals(read({ rope_theta: undefined, rope_parameters: parameters }).rope, expected);
    assertEquals(read({ rope_parameters: { rope_type: "default", rope_theta: 7 } }).rope.theta, 7);
    assertEquals(read({ rope_scaling: { type: "linear", factor: 2 } }).rope.scaling, {
      type: "linear",
      factor: 2,
    });
  });

  test("refuses RoPE that it does not know, or that lacks a number", () => {
    for (const type of ["yarn", "dynamic", "longrope", ""]) {
      const error = assertThrows(() => read({ rope_scaling: { rope_type: type, factor: 2 } }), RangeError);
      assertStringIncludes(error.message, `"rope_type" is "${type}"`);
    }
    assertThrows(() => read({ rope_scaling: { rope_type: "linear" } }), TypeError);
    assertThrows(() => read({ rope_scaling: { rope_type: "linear", factor: 0 } }), RangeError);
    assertThrows(() => read({ rope_scaling: "linear" }), TypeError);
    const same = { rope_type: "llama3", factor: 8, low_freq_factor: 4, high_freq_factor: 4 };
    assertThrows(() => read({ rope_scaling: same }), RangeError);
    assertThrows(() => read({ partial_rotary_factor: 0.5 }), RangeError);
    assertThrows(() => read({ rope_theta: "10000" }), TypeError);
  });

  test("gives windows to the layers that have one", () => {
    const qwen = { model_type: "qwen2", sliding_window: 8, num_hidden_layers: 3, max_window_layers: 1 };
    assertEquals(read(qwen).windows, [undefined, undefined, undefined]);
    assertEquals(read({ ...qwen, use_sliding_window: true }).windows, [undefined, 8, 8]);
    const types = ["full_attention", "sliding_attention", "full_attention"];
    assertEquals(read({ ...qwen, use_sliding_window: true, layer_types: types }).windows, [
      undefined,
      8,
      undefined,
    ]);
    assertEquals(read({ ...qwen, layer_types: types }).windows, [undefined, undefined, undefined]);
    assertEquals(read({ model_type: "mistral", sliding_window: 8 }).windows, [8, 8]);
    assertEquals(read({ model_type: "mistral", sliding_window: null }).windows, [undefined, undefined]);
    assertEquals(read({ model_type: "mistral" }).windows, [4096, 4096]);
    assertThrows(
      () => read({ ...qwen, use_sliding_window: true, layer_types: ["full_attention"] }),
      RangeError,
    );
    assertThrows(() => read({ model_type: "mistral", sliding_window: 0 }), RangeError);
  });

  test("knows which layers of a family have a bias", () => {
    const none = { qkv: false, o: false, mlp: false };
    assertEquals(read({ attention_bias: true }).biases, { qkv: true, o: true, mlp: false });
    assertEquals(read({ mlp_bias: true }).biases, { ...none, mlp: true });
    assertEquals(read({ model_type: "qwen2" }).biases, { ...none, qkv: true });
    assertEquals(read({ model_type: "qwen3" }).biases, none);
    assertEquals(read({ model_type: "qwen3", attention_bias: true }).biases, {
      qkv: true,
      o: true,
      mlp: false,
    });
  });

  test("refuses other families, activation functions and packed weights", () => {
    assertThrows(() => read({ model_type: "gemma3" }), RangeError);
    assertThrows(() => read({ model_type: undefined }), TypeError);
    assertThrows(() => read({ hidden_act: "gelu" }), RangeError);
    assertThrows(() => read({ quantization_config: { bits: 4 } }), RangeError);
  });

  test("refuses sizes that cannot be", () => {
    assertThrows(() => read({ hidden_size: "32" }), TypeError);
    assertThrows(() => read({ hidden_size: undefined }), TypeError);
    for (const size of [0, -4, 1.5, 2 ** 60, NaN]) {
      assertThrows(() => read({ vocab_size: size }), RangeError);
    }
    assertThrows(() => read({ num_key_value_heads: 3 }), RangeError);
    assertThrows(() => read({ head_dim: 7 }), RangeError);
    assertThrows(() => read({ num_attention_heads: 5 }), RangeError);
    assertThrows(() => read({ num_hidden_layers: 1e9 }), RangeError);
    assertThrows(() => read({ rms_norm_eps: 0 }), RangeError);
    assertThrows(() => read({ tie_word_embeddings: "yes" }), TypeError);
  });
});
