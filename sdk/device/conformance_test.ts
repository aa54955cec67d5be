import { describe, test } from "node:test";
import { openWasm } from "../../wasm/mod.ts";
import { assertEquals } from "../testing/assert.ts";
import { CASES, describeDevice, oracle, results } from "./conformance/run.ts";
import { createDevice } from "./core_device.ts";
import type { Device } from "./device.ts";
import { openDevice } from "./open_device.ts";

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
  await describeDevice(title, open, ({ report }) => assertEquals(report.variants[0], variant));
}
