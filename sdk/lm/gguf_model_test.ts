import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { createDevice } from "../device/core_device.ts";
import { openReference } from "../device/reference/mod.ts";
import { assertEquals, assertRejects } from "../testing/assert.ts";
import { WeightsError } from "../device/errors.ts";
import { floats, integers } from "../golden/check.ts";
import { readSafetensors } from "../weights/safetensors.ts";
import { ggufOf, type GgufTestOptions, type GgufTestType } from "./_test_gguf.ts";
import { type RawConfig, type TensorChoice, type TestArray, testModel, TINY } from "./_test_model.ts";
import { oracle } from "./_test_oracle.ts";
import { largest, take } from "./_test_values.ts";
import { CausalLM } from "./causal_lm.ts";
import { readConfig } from "./config.ts";
import { ropeFrequencies } from "./rope_frequencies.ts";

const device = createDevice(openReference());
const IDS = [3, 1, 4, 1, 5, 9, 2, 6, 5, 35, 8, 9, 7, 9];

async function logits(bytes: Uint8Array, ids: ArrayLike<number>): Promise<Float32Array> {
  using lm = await CausalLM.load(bytes, { device });
  return await take(await lm.logits(ids));
}

interface Case extends TensorChoice, GgufTestOptions {
  readonly name: string;
  readonly config: RawConfig;
  readonly oracle?: RawConfig;
}

const llama3 = { factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 64 };
const QKV = ["q_proj", "k_proj", "v_proj"];

/** What converters write in place of llama3's four numbers. */
function factors(headDim: number): Float32Array<ArrayBuffer> {
  const { rope } = readConfig({ ...TINY, model_type: "llama", rope_scaling: { type: "llama3", ...llama3 } });
  const plain = ropeFrequencies({ theta: rope.theta, scaling: { type: "default" } }, headDim);
  return ropeFrequencies(rope, headDim).map((scaled, i) => plain[i]! / scaled);
}

const mixed = (name: string): GgufTestType =>
  name.includes("v_proj") || name.includes("down") ? "F16" : "Q8_0";

const CASES: readonly Case[] = [
  { name: "llama", config: { model_type: "llama" } },
  { name: "llama with biases", config: { model_type: "llama" }, biases: [...QKV, "o_proj"] },
  {
    name: "llama with Q8_0 beside F16",
    config: { model_type: "llama", intermediate_size: 64 },
    typeOf: mixed,
  },
  {
    name: "llama with everything in Q8_0, tied",
    config: { model_type: "llama", intermediate_size: 64 },
    typeOf: () => "Q8_0",
    head: false,
  },
  {
    name: "llama with frequency factors",
    config: { model_type: "llama", head_dim: 16 },
    vectors: { "rope_freqs.weight": factors(16) },
    oracle: { rope_scaling: { rope_type: "llama3", ...llama3 } },
  },
  { name: "mistral with a window", config: { model_type: "mistral", sliding_window: 4 } },
  { name: "qwen2, tied", config: { model_type: "qwen2" }, biases: QKV, head: false },
  { name: "qwen3", config: { model_type: "qwen3", head_dim: 16 }, qkNorm: true },
];

describe("CausalLM of a GGUF file", () => {
  CASES.forEach(({ name, config, oracle: changes, biases, qkNorm, head, ...options }, at) => {
    test(`computes ${name} as a plain float64 decoder does`, async () => {
      const choice = {
        ...(biases && { biases }),
        ...(qkNorm && { qkNorm }),
        ...(head === false && { head }),
      };
      const { bytes, model } = ggufOf(testModel(config, at + 100, choice), options);
      const expected = oracle({ ...model, config: { ...model.config, ...changes } }, IDS);
      assertEquals(largest(await logits(bytes, IDS), expected.logits.flat()) < 1e-4, true);
    });
  });

  test("gives the logits of the golden file that its weights are from", async () => {
    const read = (name: string) => readFile(new URL(`testdata/${name}`, import.meta.url));
    const file = readSafetensors(new Uint8Array(await read("llama-tiny.safetensors")));
    const config = JSON.parse(await read("llama-tiny.config.json").then(String));
    const tensors = new Map<string, TestArray>();
    for (const [name, { shape }] of file.tensors) {
      if (!name.startsWith("fixture.")) {
        tensors.set(name, { shape, data: new Float32Array(floats(file, name)) });
      }
    }
    const found = await logits(ggufOf({ config, tensors }).bytes, integers(file, "fixture.input_ids"));
    assertEquals(largest(found, floats(file, "fixture.logits")) < 1e-4, true);
  });

  test("refuses a tensor that is no part of the model", async () => {
    const extra = { vectors: { "blk.0.attn_sinks.weight": Float32Array.of(1, 2, 3, 4) } };
    const { bytes } = ggufOf(testModel({ model_type: "llama" }, 1), extra);
    await assertRejects(() => CausalLM.load(bytes, { device }), WeightsError);
    assertEquals(device.report.tensors, 0);
  });
});
