/**
 * Runs every conformance case on a device beside the reference device.
 *
 * @module
 */
import { describe, test } from "node:test";
import { assertEquals } from "../../testing/assert.ts";
import { random } from "../../testing/random.ts";
import { createDevice } from "../core_device.ts";
import type { Device } from "../device.ts";
import { openReference } from "../reference/mod.ts";
import { attentionCases } from "./attention_cases.ts";
import { cachedCases } from "./cached_cases.ts";
import { readAny } from "../read_any.ts";
import { assertClose, type ConformanceCase } from "./case.ts";
import { elementCases } from "./element_cases.ts";
import { lineCases } from "./line_cases.ts";
import { linearCases, matmulCases } from "./linear_cases.ts";
import { packCases } from "./pack_cases.ts";
import { planCases } from "./plan_cases.ts";
import { rowCases } from "./row_cases.ts";
import { scanCases } from "./scan_cases.ts";

/** All cases. */
export const CASES: readonly ConformanceCase[] = [
  ...linearCases,
  ...matmulCases,
  ...rowCases,
  ...scanCases,
  ...attentionCases,
  ...elementCases,
  ...lineCases,
  ...planCases,
  ...cachedCases,
  ...packCases,
];

/** What every device is held to. */
export const oracle = createDevice(openReference());

/** Runs a case and reads its results, then frees everything that it made. */
export async function results(
  device: Device,
  { name, run }: ConformanceCase,
): Promise<Map<string, ArrayLike<number>>> {
  using scope = device.scope();
  const seed = [...name].reduce((sum, char) => sum * 31 + char.charCodeAt(0) | 0, 7);
  const read = new Map<string, ArrayLike<number>>();
  for (const [key, tensor] of Object.entries(run(scope, random(seed)))) read.set(key, await readAny(tensor));
  return read;
}

/**
 * Declares the tests of one device.
 *
 * @param title What the device is.
 * @param open Opens it.
 * @param check Asserts that it is what was asked for.
 * @param cases The cases to run. @default all
 */
export async function describeDevice(
  title: string,
  open: () => Promise<Device>,
  check: (device: Device) => void,
  cases: readonly ConformanceCase[] = CASES,
): Promise<void> {
  const opened = await open().catch((error: Error) => error);
  describe(title, () => {
    test("opens as it was asked for", () => {
      if (opened instanceof Error) throw opened;
      check(opened);
    });
    if (opened instanceof Error) return;
    const device = opened;
    for (const example of cases) {
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
