import { describe, test } from "node:test";
import { assertEquals, assertRejects, assertStrictEquals } from "../sdk/testing/assert.ts";
import { openWebGPU } from "./open_webgpu.ts";
import { refusalOfGPU } from "./refusal.ts";

describe("refusalOfGPU()", () => {
  test("refusalOfGPU() asks once for each answer", () => {
    assertStrictEquals(refusalOfGPU(), refusalOfGPU({ software: false }));
    assertStrictEquals(refusalOfGPU({ software: true }), refusalOfGPU({ software: true }));
  });

  test("refusalOfGPU() refuses with the words of openWebGPU()", async () => {
    const refusal = await refusalOfGPU();
    if (refusal === undefined) return;
    const error = await assertRejects(() => openWebGPU(), Error);
    assertEquals(error.message, refusal);
  });

  test("refusalOfGPU() refuses nothing with software that it takes without", async () => {
    if (await refusalOfGPU() === undefined) assertEquals(await refusalOfGPU({ software: true }), undefined);
  });
});
