import { describe, test } from "node:test";
import { createDevice } from "../device/core_device.ts";
import { WeightsError } from "../device/errors.ts";
import { linear } from "../device/ops/mod.ts";
import { openReference } from "../device/reference/mod.ts";
import { assertAlmostEquals, assertEquals, assertInstanceOf, assertRejects } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { ggufFile } from "./_gguf_test_file.ts";
import { type GgufModel, openGguf } from "./gguf.ts";
import { GGUF_TYPES, type GgufType } from "./gguf_types.ts";
import { floatsToHalves, halvesToFloats } from "./half.ts";

const [N, K] = [3, 512];

/** A matrix [N, K] of random blocks whose scales are at most 1. */
async function matrix(type: GgufType): Promise<GgufModel> {
  const { id, elements, bytes } = GGUF_TYPES[type];
  const data = Uint8Array.from(random(3).ints(N * K / elements * bytes, 0, 256));
  // The upper bytes of the numbers; 0x35 is a float16 of 0.3, 0x3e a float32 or bfloat16 of 0.2.
  const [tops, top]: [number[], number] = {
    F32: [[3], 0x3e],
    F16: [[1], 0x35],
    BF16: [[1], 0x3e],
    Q8_0: [[1], 0x35],
    Q4_0: [[1], 0x35],
    Q4_K: [[1, 3], 0x35],
    Q6_K: [[209], 0x35],
  }[type] as [number[], number];
  for (let begin = 0; begin < data.length; begin += bytes) {
    for (const at of tops) data[begin + at] = top;
  }
  return await openGguf(ggufFile({ tensors: [{ name: "w", axes: [K, N], type: id, data }] }));
}

const FORMS: Readonly<Record<GgufType, { data: new () => object; groups: number }>> = {
  F32: { data: Float32Array, groups: 0 },
  BF16: { data: Float32Array, groups: 0 },
  F16: { data: Uint16Array, groups: 0 },
  Q8_0: { data: Int8Array, groups: K / 32 },
  Q4_0: { data: Uint8Array, groups: K / 32 },
  Q6_K: { data: Int8Array, groups: K / 16 },
  Q4_K: { data: Uint16Array, groups: 0 },
};

describe("weight() of a GGUF model", () => {
  for (const type of Object.keys(FORMS) as GgufType[]) {
    test(`makes ${type} a weight that gives its elements back on a device`, async () => {
      const model = await matrix(type);
      const floats = await model.floats("w");
      const { data, shape, scales } = await model.weight("w");
      assertInstanceOf(data, FORMS[type].data);
      assertEquals(shape, [N, K]);
      assertEquals(scales?.length ?? 0, N * FORMS[type].groups);

      using device = createDevice(openReference());
      const identity = new Float32Array(K * K);
      for (let i = 0; i < K; i++) identity[i * (K + 1)] = 1;
      const w = device.weight(data, shape, scales);
      const columns = await linear(device, device.tensor(identity, [K, K]), w).read();
      const expected = type === "Q4_K" ? halvesToFloats(floatsToHalves(floats)) : floats;
      for (let i = 0; i < N * K; i++) {
        assertEquals(columns[(i % K) * N + Math.floor(i / K)], expected[i]! + 0, `element ${i}`);
      }
    });

    test(`makes ${type} float32 or float16 as asked`, async () => {
      const model = await matrix(type);
      const floats = await model.floats("w");
      assertEquals((await model.weight("w", { as: "f32" })).data, floats);
      assertEquals((await model.weight("w", { as: "f16" })).data, floatsToHalves(floats));
    });

    test(`gives rows of ${type} as the whole has them`, async () => {
      const model = await matrix(type);
      const all = await model.weight("w");
      const rows = await model.weight("w", { rows: [1, 3] });
      assertEquals(rows.shape, [2, K]);
      assertEquals(rows.data, all.data.slice(all.data.length / N));
      assertEquals(rows.scales, all.scales?.slice(all.scales.length / N));
    });
  }

  test("refuses to narrow what float16 cannot hold", async () => {
    const data = new Uint8Array(Float32Array.of(1, 70_000).buffer);
    const model = await openGguf(ggufFile({ tensors: [{ name: "w", axes: [2, 1], type: 0, data }] }));
    await assertRejects(() => model.weight("w", { as: "f16" }), WeightsError, "the value 70000");
    assertAlmostEquals((await model.weight("w", { as: "f32" })).data[1]!, 70_000);
  });
});
