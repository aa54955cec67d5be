import { describe, test } from "node:test";
import { assert, assertEquals, assertThrows } from "../../testing/assert.ts";
import { createDevice } from "../core_device.ts";
import { openReference } from "../reference/mod.ts";
import { full, packBitmap, type PackBitmapOptions } from "./mod.ts";

const device = createDevice(openReference());
const f = (...shape: number[]) => full(device, shape, 1);

/** Room for two heads of 128 rows with 64 columns. */
const options: PackBitmapOptions = {
  packed: device.empty([2, 8192], "f16"),
  meta: device.tensor(new Int32Array(2 * 129 * 3), [2, 129, 3]),
  packedHead: 8192,
  metaAt: 0,
  metaHead: 387,
  tile0: 0,
  drop: 32,
  kind: "k",
};
const x = f(2, 64, 64);

/** Calls that must be refused, by what is wrong. */
const REFUSED: Readonly<Record<string, readonly [ErrorConstructor, () => void]>> = {
  "of integers": [TypeError, () => packBitmap(device, device.empty([2, 64, 64], "i32"), options)],
  "of 65 rows": [RangeError, () => packBitmap(device, f(2, 65, 64), options)],
  "of 32 columns": [RangeError, () => packBitmap(device, f(2, 64, 32), options)],
  "of one head without its axis": [RangeError, () => packBitmap(device, f(64, 64), options)],
  "of queries": [TypeError, () => packBitmap(device, x, { ...options, kind: "q" as "k" })],
  "into float32": [TypeError, () => packBitmap(device, x, { ...options, packed: f(2, 8192) })],
  "into too few elements": [RangeError, () => packBitmap(device, x, { ...options, packedHead: 8200 })],
  "into heads that begin between vectors": [
    RangeError,
    () => packBitmap(device, x, { ...options, packedHead: 4 }),
  ],
  "with too few entries": [RangeError, () => packBitmap(device, x, { ...options, metaAt: 195 + 1 })],
  "with entries of heads that overlap": [
    RangeError,
    () => packBitmap(device, x, { ...options, metaHead: 194 }),
  ],
  "from the middle of 64 rows": [RangeError, () => packBitmap(device, x, { ...options, tile0: 32 })],
  "with nothing to drop to": [RangeError, () => packBitmap(device, x, { ...options, drop: 0 })],
  "with more to drop than there is": [RangeError, () => packBitmap(device, x, { ...options, drop: 65 })],
};

describe("packBitmap() refuses rows", () => {
  for (const [name, [errorClass, call]] of Object.entries(REFUSED)) {
    test(name, () => {
      const error = assertThrows(call, errorClass);
      assert(/^Cannot run packBitmap: .*[^.]$/.test(error.message), error.message);
    });
  }
});

describe("packBitmap()", () => {
  test("takes meta to its last element, and no rows", async () => {
    const meta = device.tensor(new Int32Array(387 + 195), [387 + 195]);
    packBitmap(device, x, { ...options, meta });
    packBitmap(device, f(2, 0, 64), { ...options, meta });
    // Ones tie: every tile keeps 64 elements, 32 pairs.
    const entries = await meta.read("i32");
    assertEquals([...entries.subarray(-6)], [-1, -1, 63 * 32, 0, 0, 64 * 32]);
  });
});
