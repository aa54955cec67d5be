import { describe, test } from "node:test";
import { assert, assertEquals } from "../testing/assert.ts";
import { brainsToFloats, floatsToBrains } from "./half.ts";

describe("bfloat16", () => {
  test("every value survives the way to float32 and back", () => {
    const all = Uint16Array.from({ length: 65536 }, (_, i) => i).filter((bits) => (bits & 0x7fff) <= 0x7f80);
    assertEquals(floatsToBrains(brainsToFloats(all)), all);
  });

  test("rounds to the nearest, ties to even, and keeps NaN", () => {
    const floats = Float32Array.of(
      1,
      1 + 2 ** -8,
      1 + 3 * 2 ** -8,
      1 + 2 ** -8 + 2 ** -20,
      -3.4e38,
      NaN,
      -Infinity,
    );
    const bits = floatsToBrains(floats);
    assertEquals(Array.from(bits.subarray(0, 4)), [0x3f80, 0x3f80, 0x3f82, 0x3f81]);
    assertEquals([bits[4], bits[6]], [0xff80, 0xff80]);
    assert(Number.isNaN(brainsToFloats(bits)[5]));
  });
});
