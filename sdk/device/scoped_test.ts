import { describe, test } from "node:test";
import { assertEquals, assertThrows } from "../testing/assert.ts";
import { createDevice } from "./core_device.ts";
import { openReference } from "./reference/mod.ts";
import { scoped } from "./scoped.ts";
import type { Tensor } from "./tensor.ts";

describe("scoped()", () => {
  test("keeps a tensor, a list or a record and frees the rest", () => {
    const device = createDevice(openReference());
    const one = scoped(device, (s) => {
      s.empty([100]);
      return s.empty([1]);
    });
    const two = scoped(device, (s) => [s.empty([1]), s.empty([1])]);
    const record = scoped(
      device,
      (s): { a: Tensor; b?: Tensor } => ({ a: s.empty([1]), ...(s.empty([7]) && {}) }),
    );
    assertEquals(device.report.tensors, 4);
    for (const tensor of [one, ...two, record.a]) tensor.dispose();
    assertEquals([device.report.bytes, device.report.tensors], [0, 0]);
  });

  test("frees everything when the function throws", () => {
    const device = createDevice(openReference());
    assertThrows(
      () =>
        scoped(device, (s) => {
          s.empty([100]);
          throw new RangeError("stop");
        }),
      RangeError,
      "stop",
    );
    assertEquals(device.report.bytes, 0);
  });

  test("leaves a returned input with its owner", () => {
    const device = createDevice(openReference());
    const input = device.empty([1]);
    assertEquals(scoped(device, () => input).disposed, false);
  });

  test("refuses an async function", () => {
    const device = createDevice(openReference());
    const run = () => Promise.resolve() as unknown as Tensor;
    assertThrows(() => scoped(device, run), TypeError, "async");
  });
});
