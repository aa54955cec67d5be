import { describe, test } from "node:test";
import { assertEquals } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { DEVICES } from "./_test_heads.ts";
import { maskBits } from "./mask_bits.ts";

for (const [name, device] of Object.entries(DEVICES)) {
  describe(`maskBits on ${name}`, () => {
    test("packs every flag into its bit, the sign bit included", async () => {
      using d = device.scope();
      for (const [rows, cols] of [[3, 32], [5, 33], [2, 100], [4, 7], [0, 9]] as const) {
        const flags = Float32Array.from({ length: rows * cols }, (_, i) => random(i).int(0, 2));
        if (rows > 0) flags.fill(1, 0, cols);
        const words = await maskBits(d, d.tensor(flags, [rows, cols])).read("i32");
        const expected = new Int32Array(rows * Math.ceil(cols / 32));
        flags.forEach((flag, i) => {
          const [row, col] = [Math.floor(i / cols), i % cols];
          expected[row * Math.ceil(cols / 32) + (col >> 5)]! |= flag << (col & 31);
        });
        assertEquals([...words], [...expected]);
      }
    });
  });
}
