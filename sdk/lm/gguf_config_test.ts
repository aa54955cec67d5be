import { describe, test } from "node:test";
import { assertEquals, assertStringIncludes, assertThrows } from "../testing/assert.ts";
import { ARRAY, array, entry, F32, f32, STRING, text, U32, u32 } from "../weights/_gguf_test_file.ts";
import { openGguf } from "../weights/gguf.ts";
import { ggufOf, type GgufTestOptions, perLayer } from "./_test_gguf.ts";
import { testModel, TINY_DECODER } from "./_test_model.ts";
import type { DecoderConfig } from "./config.ts";
import { ggufConfig } from "./gguf_config.ts";

async function configOf(options: GgufTestOptions = {}, family = "llama"): Promise<DecoderConfig> {
  return ggufConfig(await openGguf(ggufOf(testModel({ model_type: family }, 1), options).bytes));
}

describe("ggufConfig()", () => {
  test("reads what the metadata says", async () => {
    const token = (name: string, id: number) => entry(`tokenizer.ggml.${name}_token_id`, U32, u32(id));
    const config = await configOf({ entries: [token("bos", 1), token("eos", 2), token("eot", 3)] });
    assertEquals({ ...config, eps: Math.fround(config.eps) }, {
      ...TINY_DECODER,
      eps: Math.fround(1e-5),
      bosId: 1,
      eosIds: [2, 3],
    });
  });

  test("takes head counts that are the same in all layers, no others", async () => {
    const without = ["attention.head_count_kv"];
    const counts = (values: number[]) => [perLayer("llama.attention.head_count_kv", values)];
    assertEquals((await configOf({ without })).kvHeads, 4);
    assertEquals((await configOf({ without, entries: counts([2, 2]) })).kvHeads, 2);
    const model = await openGguf(
      ggufOf(testModel({ model_type: "llama" }, 1), { without, entries: counts([2, 4]) }).bytes,
    );
    assertThrows(() => ggufConfig(model), TypeError);
  });

  test("reads windows and linear scaling", async () => {
    const scaling = [
      entry("llama.rope.scaling.type", STRING, text("linear")),
      entry("llama.rope.scaling.factor", F32, f32(4)),
      entry("llama.attention.sliding_window", U32, u32(9)),
    ];
    const config = await configOf({ entries: scaling });
    assertEquals(config.rope.scaling, { type: "linear", factor: 4 });
    assertEquals(config.windows, [9, 9]);
  });

  test("refuses what cannot be run, and names the key", async () => {
    const broken: readonly [GgufTestOptions, string][] = [
      [{ entries: [entry("llama.rope.scaling.type", STRING, text("yarn"))] }, "llama.rope.scaling.type"],
      [{ entries: [entry("llama.expert_count", U32, u32(8))] }, "llama.expert_count"],
      [{ entries: [entry("llama.rope.dimension_count", U32, u32(4))] }, "llama.rope.dimension_count"],
      [{ without: ["block_count"] }, "llama.block_count"],
      [
        { without: ["context_length"], entries: [entry("llama.context_length", STRING, text("8"))] },
        "llama.context_length",
      ],
      [
        { without: ["embedding_length"], entries: [entry("llama.embedding_length", ARRAY, array(U32, []))] },
        "llama.embedding_length",
      ],
    ];
    for (const [options, key] of broken) {
      const model = await openGguf(ggufOf(testModel({ model_type: "llama" }, 1), options).bytes);
      assertStringIncludes(assertThrows(() => ggufConfig(model), Error).message, key);
    }
    const other = await openGguf(ggufOf(testModel({ model_type: "falcon" }, 1)).bytes);
    assertThrows(() => ggufConfig(other), RangeError);
  });
});
