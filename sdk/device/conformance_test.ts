import { describe, test } from "node:test";
import { assertEquals } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { attentionCases } from "./conformance/attention_cases.ts";
import { assertClose, type ConformanceCase, readAny } from "./conformance/case.ts";
import { elementCases } from "./conformance/element_cases.ts";
import { linearCases, matmulCases } from "./conformance/linear_cases.ts";
import { rowCases } from "./conformance/row_cases.ts";
import { createDevice } from "./core_device.ts";
import type { Device } from "./device.ts";
import { openDevice, type OpenDeviceOptions } from "./open_device.ts";
import { openReference } from "./reference/mod.ts";

const CASES: readonly ConformanceCase[] = [...linearCases, ...matmulCases, ...rowCases, ...attentionCases, ...elementCases];

const DEVICES: readonly (readonly [string, OpenDeviceOptions])[] = [
  ["wasm, 1 thread", { prefer: "wasm", threads: 1 }],
  ["wasm, 2 threads", { prefer: "wasm", threads: 2 }],
  ["wasm off the thread", { prefer: "wasm", threads: 1, offThread: true }],
];

const oracle = createDevice(openReference());

/** Runs a case and reads its results, then frees everything that it made. */
async function results(device: Device, { name, run }: ConformanceCase): Promise<Map<string, ArrayLike<number>>> {
  using scope = device.scope();
  const seed = [...name].reduce((sum, char) => sum * 31 + char.charCodeAt(0) | 0, 7);
  const read = new Map<string, ArrayLike<number>>();
  for (const [key, tensor] of Object.entries(run(scope, random(seed)))) read.set(key, await readAny(tensor));
  return read;
}

describe("the reference device", () => {
  for (const example of CASES) {
    test(`${example.name}: gives finite numbers and its memory back`, async () => {
      const { bytes, tensors } = oracle.report;
      for (const [key, values] of await results(oracle, example)) {
        assertEquals(Array.from(values).findIndex(Number.isNaN), -1, key);
      }
      assertEquals([oracle.report.bytes, oracle.report.tensors], [bytes, tensors]);
    });
  }
});

for (const [title, options] of DEVICES) {
  const opened = await openDevice(options).catch((error: Error) => error);
  const skip = opened instanceof Error ? opened.message : false;
  describe(title, { skip }, () => {
    const device = opened as Device;
    for (const example of CASES) {
      test(`${example.name}: agrees with the reference device and gives its memory back`, async () => {
        const { bytes, tensors } = device.report;
        const actual = await results(device, example);
        for (const [key, expected] of await results(oracle, example)) assertClose(actual.get(key)!, expected, key);
        assertEquals([device.report.bytes, device.report.tensors], [bytes, tensors]);
      });
    }
    test("gives everything back when it is disposed", () => {
      device.dispose();
      assertEquals(device.report.bytes, 0);
    });
  });
}
