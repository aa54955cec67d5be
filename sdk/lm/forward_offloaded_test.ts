import { describe, test } from "node:test";
import { dense, offload } from "../cache/mod.ts";
import { createDevice } from "../device/core_device.ts";
import { openReference } from "../device/reference/mod.ts";
import { streaming } from "../methods/streaming.ts";
import { assertEquals, assertRejects, assertThrows } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { filesOf, testModel } from "./_test_model.ts";
import { oracle } from "./_test_oracle.ts";
import { assertClose, take } from "./_test_values.ts";
import { CausalLM } from "./causal_lm.ts";
import type { CausalLMOptions } from "./causal_lm_options.ts";

const device = createDevice(openReference());
const cache = offload({ of: dense({ type: "f32" }), window: 8, chunk: 64 });
const IDS = random(3).ints(170, 0, 40);
const SMALL = { hidden_size: 16, intermediate_size: 16, num_hidden_layers: 3 };

describe("CausalLM over an offloaded cache", () => {
  const configs = [{ model_type: "llama" }, { model_type: "mistral", sliding_window: 40 }];
  for (const [config, fetchAhead] of configs.flatMap((one) => [[one, "layer"], [one, "step"]] as const)) {
    test(`computes ${config.model_type} as a plain float64 decoder does, a ${fetchAhead} ahead`, async () => {
      const { model, files } = filesOf(testModel({ ...config, ...SMALL }, 9));
      const { logits } = oracle(model, [...IDS]);
      using lm = await CausalLM.load(files, { device, cache, fetchAhead });
      using sequence = lm.sequence();
      assertClose(await take(await lm.prefill(sequence, IDS.subarray(0, 150))), logits[149]!);
      for (let at = 150; at < 160; at++) {
        const id = device.tensor(IDS.slice(at, at + 1), [1]);
        assertClose(await take(await lm.stepAsync([sequence], id)), logits[at]!);
        id.dispose();
      }
      assertClose(await take(await lm.prefill(sequence, IDS.subarray(160))), logits[169]!);
      assertEquals(sequence.length, 170);
    });
  }

  for (const fetchAhead of ["layer", "step"] as const) {
    test(`generates what the cache on the device does, a ${fetchAhead} ahead, and frees everything`, async () => {
      const { files } = filesOf(testModel({ model_type: "llama", ...SMALL }, 13));
      const answer = async (options: Partial<CausalLMOptions>): Promise<number[]> => {
        using lm = await CausalLM.load(files, { device, ...options });
        const ids: number[] = [];
        for await (const piece of lm.generate([...IDS.subarray(0, 150)], { maxTokens: 12 })) {
          ids.push(...piece.ids);
        }
        return ids;
      };
      const { tensors } = device.report;
      assertEquals(await answer({ cache, fetchAhead }), await answer({}));
      await new Promise((done) => setTimeout(done, 5));
      assertEquals(device.report.tensors, tensors);
    });

    test(`leaves a sequence as it was at whatever layer a step is given up, a ${fetchAhead} ahead`, async () => {
      const { model, files } = filesOf(testModel({ model_type: "llama", ...SMALL }, 14));
      const { logits } = oracle(model, [...IDS.subarray(0, 104)]);
      using lm = await CausalLM.load(files, { device, cache, fetchAhead });
      using sequence = lm.sequence();
      (await lm.prefill(sequence, IDS.subarray(0, 100))).dispose();
      for (let at = 100; at < 104; at++) {
        const id = device.tensor(IDS.slice(at, at + 1), [1]);
        let left = at - 99;
        const signal = {
          throwIfAborted(): void {
            if (--left === 0) throw new Error("enough");
          },
        } as AbortSignal;
        await assertRejects(() => lm.stepAsync([sequence], id, signal), Error, "enough");
        assertEquals(sequence.caches.map(({ length }) => length), [at, at, at]);
        assertClose(await take(await lm.stepAsync([sequence], id)), logits[at]!);
        id.dispose();
      }
    });
  }

  test("steps several sequences at once, empty ones too", async () => {
    const { model, files } = filesOf(testModel({ model_type: "llama", ...SMALL }, 10));
    using lm = await CausalLM.load(files, { device, cache });
    using long = lm.sequence();
    (await lm.prefill(long, IDS.subarray(0, 100))).dispose();
    const ids = device.tensor(Int32Array.of(IDS[100]!, 7), [2]);
    const both = await take(await lm.stepAsync([long, lm.sequence()], ids));
    ids.dispose();
    assertClose(both.subarray(0, 40), oracle(model, [...IDS.subarray(0, 101)]).logits[100]!);
    assertClose(both.subarray(40), oracle(model, [7]).logits[0]!);
  });

  test("reads what a selector chooses, before the token came", async () => {
    const { files } = filesOf(testModel({ model_type: "llama", ...SMALL }, 11));
    const band = (window: number) => streaming({ sink: 0, window });
    const last = async (lm: CausalLM): Promise<Float32Array> => {
      using sequence = lm.sequence();
      (await lm.prefill(sequence, IDS.subarray(0, 120))).dispose();
      const id = device.tensor(IDS.slice(120, 121), [1]);
      const logits = await take(await lm.stepAsync([sequence], id));
      id.dispose();
      return logits;
    };
    using away = await CausalLM.load(files, { device, cache, prefill: band(30), select: band(30) });
    using near = await CausalLM.load(files, { device, prefill: band(30), select: band(30) });
    assertClose(await last(away), [...await last(near)]);
  });

  test("leaves a sequence as it was after an abort, and refuses a step that cannot wait", async () => {
    const { model, files } = filesOf(testModel({ model_type: "llama", ...SMALL }, 12));
    using lm = await CausalLM.load(files, { device, cache });
    using sequence = lm.sequence();
    (await lm.prefill(sequence, IDS.subarray(0, 100))).dispose();
    const id = device.tensor(IDS.slice(100, 101), [1]);
    const controller = new AbortController();
    const running = lm.stepAsync([sequence], id, controller.signal);
    controller.abort(new Error("enough"));
    await assertRejects(() => running, Error, "enough");
    assertThrows(() => lm.step([sequence], id), Error);
    assertEquals(sequence.caches.map(({ length }) => length), [100, 100, 100]);
    const found = await take(await lm.stepAsync([sequence], id));
    id.dispose();
    assertClose(found, oracle(model, [...IDS.subarray(0, 101)]).logits[100]!);
  });
});
