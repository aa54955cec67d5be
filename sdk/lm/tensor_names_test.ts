import { describe, test } from "node:test";
import { WeightsError } from "../device/errors.ts";
import { assertEquals, assertStringIncludes, assertThrows } from "../testing/assert.ts";
import type { StoredTensor } from "../weights/store.ts";
import { TINY } from "./_test_model.ts";
import { readConfig } from "./config.ts";
import { checkTensors, DIRECTORY_NAMES, GGUF_NAMES, type Naming, shapesOf } from "./tensor_names.ts";

const config = readConfig({ model_type: "qwen3", ...TINY });

function tensors(naming: Naming, changes: Record<string, readonly number[] | undefined> = {}) {
  const found = new Map<string, StoredTensor>();
  for (const [name, shape] of [...shapesOf(config, naming), ...Object.entries(changes)]) {
    if (shape === undefined) found.delete(name);
    else found.set(name, { name, shape, dtype: "F32", offset: 0, bytes: 0 });
  }
  return found;
}

describe("checkTensors()", () => {
  test("takes the tensors of a decoder, with or without a head", () => {
    for (const naming of [DIRECTORY_NAMES, GGUF_NAMES]) {
      checkTensors(tensors(naming), config, naming);
      checkTensors(tensors(naming, { [`${naming.head}.weight`]: [40, 32] }), config, naming);
    }
  });

  test("skips tables of angles and what golden files compare with", () => {
    const extra = { "model.layers.0.self_attn.rotary_emb.inv_freq": [4], "fixture.logits": [3, 40] };
    checkTensors(tensors(DIRECTORY_NAMES, extra), config, DIRECTORY_NAMES);
    checkTensors(tensors(GGUF_NAMES, { "rope_freqs.weight": [4] }), config, GGUF_NAMES);
  });

  test("refuses a tensor that is missing, unknown or of another shape, and names it", () => {
    const broken: Record<string, readonly number[] | undefined>[] = [
      { "model.layers.1.self_attn.q_norm.weight": undefined },
      { "model.layers.0.self_attn.q_proj.bias": [32] },
      { "model.layers.2.input_layernorm.weight": [32] },
      { "model.norm.weight": [33] },
      { "lm_head.weight": [41, 32] },
      { "model.layers.0.mlp.up_proj.weight": [48, 32, 1] },
    ];
    for (const change of broken) {
      const error = assertThrows(
        () => checkTensors(tensors(DIRECTORY_NAMES, change), config, DIRECTORY_NAMES),
        WeightsError,
      );
      assertStringIncludes(error.message, JSON.stringify(Object.keys(change)[0]));
    }
    assertThrows(
      () => checkTensors(tensors(GGUF_NAMES, { "rope_freqs.weight": [5] }), config, GGUF_NAMES),
      WeightsError,
    );
    assertEquals(shapesOf(config, DIRECTORY_NAMES).size, 2 + 2 * 11);
  });
});
