import { describe, test } from "node:test";
import { createDevice } from "../device/core_device.ts";
import { openReference } from "../device/reference/mod.ts";
import { assertEquals } from "../testing/assert.ts";
import { floatsToHalves } from "../weights/half.ts";
import { embed, uploadEmbedding } from "./embedding.ts";

const device = createDevice(openReference());
const ids = device.tensor(Int32Array.of(2, 0, 2), [3]);

describe("embed()", () => {
  test("gives the rows of tokens in float32, from floats, halves, and scaled int8 and int4", async () => {
    const values = Float32Array.of(1, -2, 3, 4, 0.5, -6, 7, -8, 2, 4, -6, -8);
    const expected = Float32Array.of(2, 4, -6, -8, 1, -2, 3, 4, 2, 4, -6, -8);
    const scales = Float32Array.of(1, 1, 0.5, 1, 2, 2);
    const int8 = Int8Array.of(1, -2, 3, 4, 1, -12, 7, -8, 1, 2, -3, -4);
    const int4 = Uint8Array.of(0x69, 0xcb, 0, 0, 0xa9, 0x45);
    const shape = [3, 4] as const;
    for (
      const stored of [
        { data: values, shape },
        { data: floatsToHalves(values), shape },
        { data: int8, shape, scales },
        { data: int4, shape, scales },
      ]
    ) {
      const found = embed(device, uploadEmbedding(device, stored), ids);
      assertEquals(found.shape, [3, 4]);
      assertEquals(await found.read(), expected);
    }
  });
});
