import { describe, test } from "node:test";
import { assert, assertEquals } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { floatsToHalves, fromHalf, halvesToFloats, toHalf } from "./half.ts";

describe("float16", () => {
  test("every value survives the way to float32 and back", () => {
    for (let half = 0; half < 65536; half++) {
      const isNaN = (half & 0x7fff) > 0x7c00;
      if (isNaN) assert(Number.isNaN(fromHalf(half)) && Number.isNaN(fromHalf(toHalf(fromHalf(half)))));
      else if (toHalf(fromHalf(half)) !== (half === 0x8000 ? 0x8000 : half)) {
        assertEquals(toHalf(fromHalf(half)), half);
      }
    }
  });

  test("toHalf() rounds to the nearest, ties to even", () => {
    const cases: [number, number][] = [
      [0, 0],
      [-0, 0x8000],
      [1, 0x3c00],
      [-2, 0xc000],
      [65504, 0x7bff],
      [65519.996, 0x7bff],
      [65520, 0x7c00],
      [1e9, 0x7c00],
      [-Infinity, 0xfc00],
      [1 + 2 ** -11, 0x3c00],
      [1 + 3 * 2 ** -11, 0x3c02],
      [2 ** -24, 1],
      [2 ** -25, 0],
      [2 ** -25 * 1.0001, 1],
      [1.5 * 2 ** -24, 2],
      [2 ** -14, 0x400],
      [2 ** -14 - 2 ** -25, 0x400],
      [2 ** -14 - 2 ** -24, 0x3ff],
      [-1e-30, 0x8000],
    ];
    for (const [value, bits] of cases) {
      assertEquals(toHalf(value).toString(16), bits.toString(16), `${value}`);
    }
  });

  test("toHalf() picks the nearer neighbour of random numbers", () => {
    const r = random(5);
    for (let i = 0; i < 2000; i++) {
      const x = Math.fround(r.normal() * 2 ** r.int(-22, 15));
      const half = toHalf(x);
      const error = Math.abs(fromHalf(half) - x);
      for (const other of [half - 1, half + 1]) {
        const distance = Math.abs(fromHalf(other & 0xffff) - x);
        if (distance < error && (other & 0x7fff) <= 0x7c00) assertEquals(toHalf(x), other, `${x}`);
      }
    }
  });

  test("arrays convert like single numbers", () => {
    const floats = random(6).normals(1000, 100);
    const halves = floatsToHalves(floats);
    assertEquals(halves[7], toHalf(floats[7]!));
    assertEquals(halvesToFloats(halves)[7], fromHalf(halves[7]!));
    assertEquals(floatsToHalves(halvesToFloats(halves)), halves);
  });
});
