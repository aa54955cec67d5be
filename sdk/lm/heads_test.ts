import { describe, test } from "node:test";
import { createDevice } from "../device/core_device.ts";
import { openReference } from "../device/reference/mod.ts";
import { assertEquals } from "../testing/assert.ts";
import { headsOfRows, rowsOfHeads } from "./heads.ts";

const device = createDevice(openReference());
// Element (row, column) is 10 * row + column.
const rows = device.tensor(Float32Array.from({ length: 21 }, (_, i) => 10 * Math.floor(i / 7) + i % 7), [
  3,
  7,
]);

describe("headsOfRows()", () => {
  test("copies the heads of some rows and columns", async () => {
    const heads = headsOfRows(device, rows, { first: 1, count: 2, column: 3, heads: 2, headDim: 2 });
    assertEquals(heads.shape, [2, 2, 2]);
    assertEquals(await heads.read(), Float32Array.of(13, 14, 23, 24, 15, 16, 25, 26));
  });
});

describe("rowsOfHeads()", () => {
  test("puts heads side by side, for one row and for several", async () => {
    for (const count of [1, 2]) {
      const heads = headsOfRows(device, rows, { first: 0, count, column: 0, heads: 3, headDim: 2 });
      const back = rowsOfHeads(device, heads);
      assertEquals(back.shape, [count, 6]);
      assertEquals(
        await back.read(),
        Float32Array.of(0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15).subarray(0, 6 * count),
      );
    }
  });
});
