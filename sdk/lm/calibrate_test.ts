import { describe, test } from "node:test";
import { createDevice } from "../device/core_device.ts";
import { openReference } from "../device/reference/mod.ts";
import { dense } from "../cache/mod.ts";
import { doubleSparsity } from "../methods/double_sparsity.ts";
import { assert, assertEquals, assertRejects } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { filesOf, testModel } from "./_test_model.ts";
import { calibrate } from "./calibrate.ts";
import { CausalLM } from "./causal_lm.ts";

const device = createDevice(openReference());
const { files } = filesOf(testModel({ model_type: "llama", num_hidden_layers: 3 }, 5));
const texts = [random(1).ints(60, 0, 40), random(2).ints(30, 0, 40)];

describe("calibrate", () => {
  test("gives what doubleSparsity takes, and leaves nothing behind", async () => {
    const { tensors } = device.report;
    {
      using lm = await CausalLM.load(files, { device });
      const profile = await calibrate(lm, texts);
      assertEquals(profile["model.layers.2.self_attn.qk_proj"]!.length, 4);
      using sparse = lm.with({ select: doubleSparsity({ profile, tokens: 20, denseLayers: [] }) });
      const ids: number[] = [];
      for await (const piece of sparse.generate([...texts[0]!], { maxTokens: 5 })) ids.push(...piece.ids);
      assertEquals(ids.length, 5);
    }
    assertEquals(device.report.tensors, tensors);
  });

  test("depends on all texts", async () => {
    using lm = await CausalLM.load(files, { device });
    const [both, first] = [await calibrate(lm, texts), await calibrate(lm, texts.slice(0, 1))];
    assert(JSON.stringify(both) !== JSON.stringify(first));
  });

  test("refuses no texts and unknown ids, and stops when it is told to", async () => {
    using lm = await CausalLM.load(files, { device });
    await assertRejects(() => calibrate(lm, []), RangeError, "no samples");
    await assertRejects(() => calibrate(lm, [[1, 99]]), RangeError);
    const signal = AbortSignal.abort(new Error("enough"));
    await assertRejects(() => calibrate(lm, texts, { signal }), Error, "enough");
  });
});

describe("CausalLM.with", () => {
  test("shares the weights, has sequences of its own, and ends alone", async () => {
    using lm = await CausalLM.load(files, { device });
    const { bytes } = device.report;
    const other = lm.with({ cache: dense({ type: "f16" }) });
    assertEquals(device.report.bytes, bytes);
    const logits = await other.logits([1, 2, 3]);
    const sequence = other.sequence();
    await assertRejects(() => lm.prefill(sequence, Int32Array.of(1)), TypeError);
    other.dispose();
    logits.dispose();
    assertEquals((await (await lm.logits([1, 2, 3])).read()).length, 120);
  });
});
