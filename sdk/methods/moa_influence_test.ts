import { describe, test } from "node:test";
import { assertEquals, assertRejects } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { DEVICES } from "./_test_heads.ts";
import { influenceRows, profileInfluence } from "./moa_influence.ts";

interface Sample {
  readonly heads: number;
  readonly kvHeads: number;
  readonly length: number;
  readonly width: number;
  readonly q: Float32Array;
  readonly k: Float32Array;
  readonly v: Float32Array;
  readonly g: Float32Array;
}

/** @param sharp Factor of the queries: with a large one a key has nearly all attention of a row. */
function sampleOf(
  seed: number,
  heads: number,
  kvHeads: number,
  length: number,
  width: number,
  sharp = 1,
): Sample {
  const r = random(seed);
  const [own, shared] = [heads * length * width, kvHeads * length * width];
  const [q, k, v, g] = [r.normals(own, sharp), r.normals(shared), r.normals(shared), r.normals(own)];
  return { heads, kvHeads, length, width, q, k, v, g };
}

/** What the loss changes by to first order when query i of head h no longer sees key j: the gradient times the change of the output. */
function changeOf({ heads, kvHeads, length, width, q, k, v, g }: Sample, h: number, i: number): number[] {
  const row = (x: Float32Array, at: number): Float32Array => x.subarray(at * width, (at + 1) * width);
  const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, one, c) => sum + one * b[c]!, 0);
  const base = Math.floor(h / (heads / kvHeads)) * length;
  const tokens = Array.from({ length: i + 1 }, (_, j) => j);
  const scores = tokens.map((j) => dot(row(q, h * length + i), row(k, base + j)) / Math.sqrt(width));
  const gains = tokens.map((j) => dot(row(g, h * length + i), row(v, base + j)));
  const top = Math.max(...scores);
  const mass = scores.map((score) => Math.exp(score - top));
  const total = mass.reduce((sum, one) => sum + one, 0);
  return tokens.map((j) => {
    // The gain without j less that with it, over differences of gains, so that nothing cancels.
    const rest = tokens.filter((n) => n !== j);
    const left = rest.reduce((sum, n) => sum + mass[n]!, 0);
    if (left === 0) return -gains[j]! * mass[j]! / total;
    const shift = rest.reduce((sum, n) => sum + mass[n]! * (gains[n]! - gains[j]!), 0);
    return mass[j]! / total * shift / left;
  });
}

for (const [name, device] of Object.entries(DEVICES)) {
  describe(`influence on ${name}`, () => {
    test("is the gradient times the change of the output when a key is hidden", async () => {
      for (const sharp of [1, 8, 30]) {
        const sample = sampleOf(1, 4, 2, 37, 6, sharp);
        const { heads, kvHeads, length, width } = sample;
        using d = device.scope();
        const own = [heads, length, width];
        const shared = [kvHeads, length, width];
        const [q, k, v, g] = [
          d.tensor(sample.q, own),
          d.tensor(sample.k, shared),
          d.tensor(sample.v, shared),
          d.tensor(sample.g, own),
        ];
        for (const [from, to] of [[0, 37], [5, 20], [0, 1]] as const) {
          const rows = await influenceRows(d, q, k, v, g, from, to).read();
          for (let h = 0; h < heads; h++) {
            for (let i = from; i < to; i++) {
              const expected = changeOf(sample, h, i);
              const found = rows.subarray((h * (to - from) + i - from) * to).subarray(0, to);
              // Exponentials of scores near 100 are off by 1e-5 in float32.
              const scale = Math.max(...expected.map(Math.abs)) * (sharp > 1 ? 1e-4 : 1e-5) + 1e-12;
              for (let j = 0; j < to; j++) {
                assertEquals(
                  Math.abs(found[j]! - (expected[j] ?? 0)) <= scale,
                  true,
                  `${sharp}, ${h}, ${i}, ${j}`,
                );
              }
            }
          }
        }
      }
    });

    test("profileInfluence() sums magnitudes over blocks and takes the largest of a group of heads", async () => {
      for (
        const [heads, kvHeads, length, blockSize] of [[4, 2, 37, 8], [2, 2, 32, 16], [3, 1, 9, 16], [
          1,
          1,
          1,
          4,
        ]] as const
      ) {
        const sample = sampleOf(2, heads, kvHeads, length, 5);
        const blocks = Math.ceil(length / blockSize);
        const expected = new Float64Array(kvHeads * blocks * blocks);
        const group = heads / kvHeads;
        for (let h = 0; h < heads; h++) {
          const own = new Float64Array(blocks * blocks);
          for (let i = 0; i < length; i++) {
            changeOf(sample, h, i).forEach((change, j) => {
              own[Math.floor(i / blockSize) * blocks + Math.floor(j / blockSize)]! += Math.abs(change);
            });
          }
          const at = Math.floor(h / group) * blocks * blocks;
          own.forEach((sum, n) => expected[at + n] = Math.max(expected[at + n]!, sum));
        }
        const before = device.report.tensors;
        const [q, g] = [sample.q, sample.g].map((x) => device.tensor(x, [heads, length, 5])) as [
          never,
          never,
        ];
        const [k, v] = [sample.k, sample.v].map((x) => device.tensor(x, [kvHeads, length, 5])) as [
          never,
          never,
        ];
        const found = await profileInfluence(device, q, k, v, g, { blockSize });
        assertEquals(found.shape, [kvHeads, blocks, blocks]);
        assertEquals(device.report.tensors, before + 5);
        (await found.read()).forEach((sum, n) => assertEquals(Math.abs(sum - expected[n]!) < 1e-4, true));
      }
    });
  });
}

describe("profileInfluence()", () => {
  const device = DEVICES["reference"]!;
  const make = (...shape: number[]) => device.tensor(new Float32Array(shape.reduce((a, b) => a * b)), shape);

  test("refuses shapes that do not fit", async () => {
    const [q, k] = [make(4, 8, 2), make(2, 8, 2)];
    await assertRejects(() => profileInfluence(device, q, k, make(2, 8, 3), q), RangeError, "do not fit");
    await assertRejects(() => profileInfluence(device, q, make(3, 8, 2), make(3, 8, 2), q), RangeError);
    await assertRejects(() => profileInfluence(device, q, k, k, k), RangeError);
  });

  test("throws the reason of its signal and frees what it made", async () => {
    const x = make(1, 8, 2);
    const before = device.report.tensors;
    const reason = new Error("enough");
    const signal = AbortSignal.abort(reason);
    assertEquals(await profileInfluence(device, x, x, x, x, { signal }).catch((error) => error), reason);
    assertEquals(device.report.tensors, before);
  });
});
