import { describe, test } from "node:test";
import { assert, assertEquals, assertThrows } from "../../testing/assert.ts";
import { createDevice } from "../core_device.ts";
import { openReference } from "../reference/mod.ts";
import { full, quantize } from "./mod.ts";

const device = createDevice(openReference());
const f = (...shape: number[]) => full(device, shape, 1);

/** Calls that must be refused, by what is wrong. */
const REFUSED: Readonly<Record<string, readonly [ErrorConstructor, () => unknown]>> = {
  "of integers": [TypeError, () => quantize(device, device.empty([2, 8], "i32"), { bits: 8 })],
  "of a single number": [RangeError, () => quantize(device, f(), { bits: 8 })],
  "to 2 bits": [RangeError, () => quantize(device, f(2, 8), { bits: 2 as 4 })],
  "in groups that do not divide the columns": [
    RangeError,
    () => quantize(device, f(2, 8), { bits: 8, group: 3 }),
  ],
  "of odd width to 4 bits": [RangeError, () => quantize(device, f(2, 7), { bits: 4 })],
  "in odd groups to 4 bits": [RangeError, () => quantize(device, f(2, 6), { bits: 4, group: 3 })],
  "in groups of nothing": [RangeError, () => quantize(device, f(2, 8), { bits: 8, group: 0 })],
};

describe("quantize() refuses rows", () => {
  for (const [name, [errorClass, call]] of Object.entries(REFUSED)) {
    test(name, () => {
      const error = assertThrows(call, errorClass);
      assert(/^Cannot run quantize: .*[^.]$/.test(error.message), error.message);
    });
  }
});

describe("quantize()", () => {
  test("gives codes and pairs of the right shape, also for no rows", () => {
    const { codes, meta } = quantize(device, f(2, 3, 8), { bits: 4, group: 4 });
    assertEquals([codes.shape, meta.shape], [[2, 3, 4], [2, 3, 2, 2]]);
    assertEquals(quantize(device, f(0, 8), { bits: 8 }).codes.shape, [0, 8]);
  });
});
