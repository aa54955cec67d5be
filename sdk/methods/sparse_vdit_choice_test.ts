import { describe, test } from "node:test";
import { assertEquals, assertThrows } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { chooseModes, epsilonFor } from "./sparse_vdit_choice.ts";
import { keepsTile, modeSparsity, type SparseVditGeometry } from "./sparse_vdit_modes.ts";

const GEOMETRY: SparseVditGeometry = {
  ...{ frames: 8, tokensPerFrame: 10, text: 5, blockSize: 4, wDiagonal: 2, wMulti: 1, nStripe: 3 },
};

describe("chooseModes()", () => {
  const choose = (loss: number[], epsilon: number): number => chooseModes([loss], epsilon, GEOMETRY)[0]!;

  test("takes a sparse mode whose loss is larger than that of full attention", () => {
    assertEquals(choose([0.2, 0.9, 0.5, 0.4, 0.6], 1), 3);
  });

  test("takes the full mode only where all others exceed epsilon", () => {
    assertEquals(choose([0.2, 0.9, 0.5, 0.4, 0.6], 0.4), 3);
    assertEquals(choose([0.2, 0.9, 0.5, 0.4, 0.6], 0.39), 0);
  });

  test("takes the first of equals", () => {
    assertEquals(choose([0, 0.5, 0.5, 0.5, 0.5], 1), 1);
    assertEquals(choose([0, 0.6, 0.5, 0.5, 0.5], 1), 2);
  });

  test("takes the full mode where the band reaches over the sequence", () => {
    const wide = { ...GEOMETRY, wDiagonal: 11, wMulti: 10 };
    assertEquals(chooseModes([[9, 9, 0, 1, 9], [9, 9, 1, 0, 9]], 5, wide), [0, 3]);
  });
});

describe("epsilonFor()", () => {
  test("gives the largest density that is allowed", () => {
    const source = random(1);
    const losses = Array.from({ length: 40 }, () => Array.from(source.uniforms(5)));
    const share = modeSparsity(GEOMETRY);
    const density = (epsilon: number): number =>
      chooseModes(losses, epsilon, GEOMETRY).reduce((sum, mode) => sum + 1 - share[mode]!, 0) / 40;
    for (const target of [1, 0.8, 0.5, 0.35]) {
      const epsilon = epsilonFor(losses, GEOMETRY, target);
      assertEquals(density(epsilon) <= target, true);
      // A little less and one more head is full.
      if (target < 1) assertEquals(density(epsilon - 1e-9) > target, true);
    }
    assertThrows(() => epsilonFor(losses, GEOMETRY, 0.01), RangeError, "no epsilon");
  });
});

describe("modeSparsity()", () => {
  test("counts the tiles that are left out", () => {
    for (const more of [{}, { text: 0 }, { text: 33 }, { wDiagonal: 99 }, { nStripe: 0 }, { frames: 1 }]) {
      const geometry = { ...GEOMETRY, ...more };
      const n = Math.ceil((geometry.text + geometry.frames * geometry.tokensPerFrame) / 4);
      const first = Math.ceil(geometry.text / 4);
      const stripe = Array.from({ length: Math.min(geometry.nStripe, n - first) }, (_, i) => first + i);
      const counted = [0, 1, 2, 3, 4].map((mode) => {
        let kept = 0;
        for (let i = 0; i < n * n; i++) {
          if (keepsTile(geometry, mode, stripe, Math.floor(i / n), i % n)) kept++;
        }
        return 1 - kept / (n * n);
      });
      assertEquals(modeSparsity(geometry), counted);
    }
  });
});
