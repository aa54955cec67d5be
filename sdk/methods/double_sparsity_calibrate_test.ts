import { describe, test } from "node:test";
import { assertAlmostEquals, assertEquals, assertRejects } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { DEVICES } from "./_test_heads.ts";
import { doubleSparsity } from "./double_sparsity.ts";
import { channelScores } from "./double_sparsity_calibrate.ts";
import { profileKey } from "./double_sparsity_profile.ts";

for (const [name, device] of Object.entries(DEVICES)) {
  describe(`channelScores() on ${name}`, () => {
    test("averages magnitudes per head over all tokens of all samples", async () => {
      const r = random(1);
      const [queryHeads, heads, headDim] = [6, 2, 5];
      const sums = [new Float64Array(30), new Float64Array(10), new Float64Array(30)] as const;
      using d = device.scope();
      const samples = [300, 1, 40].map((n) => {
        const [q, k] = [r.normals(queryHeads * n * headDim), r.normals(heads * n * headDim)];
        for (let i = 0; i < q.length; i++) {
          const [h, t, c] = [Math.floor(i / headDim / n), Math.floor(i / headDim) % n, i % headDim];
          const key = k[(Math.floor(h / 3) * n + t) * headDim + c]!;
          sums[0][h * headDim + c]! += Math.abs(q[i]!) / 341;
          if (h % 3 === 0) sums[1][h / 3 * headDim + c]! += Math.abs(key) / 341;
          sums[2][h * headDim + c]! += Math.abs(q[i]! * key) / 341;
        }
        return { q: d.tensor(q, [queryHeads, n, headDim]), k: d.tensor(k, [heads, n, headDim]) };
      });
      const [scores] = await channelScores(d, samples);
      [scores!.q, scores!.k, scores!.qk].forEach((own, s) => {
        assertEquals(own.length, sums[s]!.length);
        own.forEach((score, i) => assertAlmostEquals(score, sums[s]![i]!, 1e-5));
      });
    });
  });
}

describe("doubleSparsity.calibrate()", () => {
  const device = DEVICES["reference"]!;

  test("ranks the channels of every layer, the lower first among equals", async () => {
    using d = device.scope();
    const row = (...values: number[]) => d.tensor(Float32Array.from(values), [values.length / 4, 1, 4]);
    const k = row(1, -1, 1, 1);
    async function* samples() {
      yield { layer: 2, q: row(1, -3, 2, 2, 0, 0, 5, -6), k };
      yield { q: row(0, 0, 0, 1), k: row(1, 2, 4, 8), before: { q: row(4, 3, 2, 1), k: row(1, 2, 2, 1) } };
    }
    assertEquals(await doubleSparsity.calibrate(d, samples()), {
      [profileKey(2, "q")]: [[1, 2, 3, 0], [3, 2, 0, 1]],
      [profileKey(2, "k")]: [[0, 1, 2, 3]],
      [profileKey(2, "qk")]: [[1, 2, 3, 0], [3, 2, 0, 1]],
      [profileKey(2, "qk_group")]: [[3, 2, 1, 0]],
      [profileKey(0, "q")]: [[0, 1, 2, 3]],
      [profileKey(0, "k")]: [[1, 2, 0, 3]],
      [profileKey(0, "qk")]: [[3, 0, 1, 2]],
      [profileKey(0, "qk_group")]: [[3, 0, 1, 2]],
    });
  });

  test("refuses samples that do not fit, are empty or not finite", async () => {
    using d = device.scope();
    const x = (...shape: number[]) =>
      d.tensor(new Float32Array(shape.reduce((all, n) => all * n, 1)).fill(1), shape);
    const refused = async (samples: Parameters<typeof doubleSparsity.calibrate>[1], message: string) => {
      await assertRejects(() => doubleSparsity.calibrate(d, samples), RangeError, message);
    };
    await refused([], "there are no samples");
    await refused({ q: x(2, 3, 4), k: x(2, 4, 4) }, "do not fit");
    await refused({ q: x(3, 3, 4), k: x(2, 3, 4) }, "do not fit");
    await refused({ q: x(2, 0, 4), k: x(2, 0, 4) }, "do not fit");
    await refused([{ q: x(2, 3, 4), k: x(2, 3, 4) }, { q: x(4, 3, 4), k: x(2, 3, 4) }], "the same heads");
    await refused({ layer: -1, q: x(2, 3, 4), k: x(2, 3, 4) }, '"layer" is -1');
    const broken = d.tensor(Float32Array.of(1, NaN), [1, 1, 2]);
    await refused({ q: x(1, 1, 2), k: broken }, "not a finite number");
  });
});
