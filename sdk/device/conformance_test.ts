import { describe, test } from "node:test";
import { openWasm } from "../../wasm/mod.ts";
import { assertEquals } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { attentionCases } from "./conformance/attention_cases.ts";
import { assertClose, type ConformanceCase, readAny } from "./conformance/case.ts";
import { elementCases } from "./conformance/element_cases.ts";
import { linearCases, matmulCases } from "./conformance/linear_cases.ts";
import { rowCases } from "./conformance/row_cases.ts";
import { createDevice } from "./core_device.ts";
import type { Device } from "./device.ts";
import { openDevice } from "./open_device.ts";
import { openReference } from "./reference/mod.ts";

const CASES: readonly ConformanceCase[] = [
  ...linearCases,
  ...matmulCases,
  ...rowCases,
  ...attentionCases,
  ...elementCases,
];

/** Ways to open a device, and the build that must then be in use. */
const DEVICES: readonly (readonly [title: string, variant: string, open: () => Promise<Device>])[] = [
  [
    "wasm with plain SIMD",
    "simd",
    async () => createDevice((await openWasm({ variant: "simd", threads: 1 })).backend),
  ],
  ["wasm with one thread", "relaxed", () => openDevice({ prefer: "wasm", threads: 1 })],
  ["wasm with two threads", "threads", () => openDevice({ prefer: "wasm", threads: 2 })],
  ["wasm off the thread", "relaxed", () => openDevice({ prefer: "wasm", threads: 1, offThread: true })],
];

const oracle = createDevice(openReference());

/** Runs a case and reads its results, then frees everything that it made. */
async function results(
  device: Device,
  { name, run }: ConformanceCase,
): Promise<Map<string, ArrayLike<number>>> {
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

for (const [title, variant, open] of DEVICES) {
  const opened = await open().catch((error: Error) => error);
  describe(title, () => {
    test("opens the build that was asked for", () => {
      if (opened instanceof Error) throw opened;
      assertEquals(opened.report.variants[0], variant);
    });
    if (opened instanceof Error) return;
    const device = opened;
    for (const example of CASES) {
      test(`${example.name}: agrees with the reference device and gives its memory back`, async () => {
        const { bytes, tensors } = device.report;
        const actual = await results(device, example);
        for (const [key, expected] of await results(oracle, example)) {
          assertClose(actual.get(key)!, expected, key);
        }
        assertEquals([device.report.bytes, device.report.tensors], [bytes, tensors]);
      });
    }
    test("gives everything back when it is disposed", () => {
      device.dispose();
      assertEquals(device.report.bytes, 0);
    });
  });
}
