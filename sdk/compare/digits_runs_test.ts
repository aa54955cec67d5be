import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { openWasm } from "../../wasm/mod.ts";
import { createDevice } from "../device/core_device.ts";
import { floats } from "../golden/check.ts";
import { assertAlmostEquals, assertEquals, assertLess } from "../testing/assert.ts";
import { readSafetensors } from "../weights/safetensors.ts";
import { digitsChooser, runDigits, windowPlan } from "./digits_runs.ts";

const url = new URL("../methods/testdata/vision-digits.safetensors", import.meta.url);
const file = readSafetensors(new Uint8Array(await readFile(url)));
const params = JSON.parse(file.metadata["params"]!);
const device = createDevice((await openWasm({ threads: 1 })).backend);

function assertClose(actual: Float32Array, expected: Float32Array): void {
  assertEquals(expected.length > 0, true);
  expected.forEach((value, i) => assertAlmostEquals(actual[i]!, value, 1e-4));
}

describe("the digits model", () => {
  test("reads as well with a quarter of the keys, better than through a window of as many", async () => {
    const before = device.report.tensors;
    const dense = await runDigits(device, file, params);
    assertClose(dense.logits, floats(file, "logits_dense"));
    assertEquals([dense.recall, dense.density], [1, 1]);
    const quarter = await runDigits(device, file, params, digitsChooser(file, params, 0.25));
    assertClose(quarter.logits, floats(file, "logits_sparse"));
    assertAlmostEquals(quarter.density, (65 + 64 * 17) / 65 ** 2, 1e-6);
    assertAlmostEquals(quarter.recall, params.recall["0.25"], 1e-4);
    using plan = windowPlan(device, params.heads);
    const window = await runDigits(device, file, params, () => plan);
    assertLess(Math.abs(window.density - 0.3), 0.01);
    assertLess(dense.accuracy, quarter.accuracy + 0.01);
    assertLess(window.accuracy + 0.03, quarter.accuracy);
    plan.dispose();
    assertEquals(device.report.tensors, before);
  });

  test("keeps less mass with fewer keys, but more than their share", async () => {
    const run = (rate: number) => runDigits(device, file, params, digitsChooser(file, params, rate), 20);
    const [half, quarter, tenth] = await Promise.all([0.5, 0.25, 0.1].map(run));
    assertLess(quarter!.recall, half!.recall);
    assertLess(tenth!.recall, quarter!.recall);
    for (const { recall, density } of [half!, quarter!, tenth!]) assertLess(density * 1.4, recall);
  });
});
