import { describe, test } from "node:test";
import { assertAlmostEquals } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { DEVICES, keys, queries, randomHeads, scoreOf } from "./_test_heads.ts";
import { shares } from "./_test_seer.ts";
import { seerTarget } from "./seer_attention_target.ts";

for (const [name, device] of Object.entries(DEVICES)) {
  describe(`seerTarget on ${name}`, () => {
    for (
      const [heads, kvHeads, length, headDim, blockSize] of [
        [2, 2, 32, 8, 8],
        [8, 1, 29, 3, 5],
        [4, 2, 40, 16, 7],
        [1, 1, 1, 2, 64],
      ] as const
    ) {
      test(`finds the largest weights of blocks of ${blockSize} in maps of ${length}, ${heads}/${kvHeads} heads`, async () => {
        const sizes = { heads, kvHeads, lq: length, lk: length, headDim };
        const sample = randomHeads(random(length), sizes);
        using d = device.scope();
        const found = await seerTarget(d, queries(d, sample), keys(d, sample), blockSize).read();
        const n = Math.ceil(length / blockSize);
        for (let h = 0; h < heads; h++) {
          const largest = Array.from({ length: n }, () => new Array<number>(n).fill(0));
          for (let i = 0; i < length; i++) {
            const row = shares(Array.from({ length: i + 1 }, (_, j) => scoreOf(sample, h, i, j)));
            row.forEach((share, j) => {
              const [r, c] = [Math.floor(i / blockSize), Math.floor(j / blockSize)];
              largest[r]![c] = Math.max(largest[r]![c]!, share);
            });
          }
          largest.forEach((row, r) => {
            const sum = row.reduce((a, b) => a + b);
            row.forEach((value, c) => assertAlmostEquals(found[(h * n + r) * n + c]!, value / sum, 1e-5));
          });
        }
      });
    }
  });
}
