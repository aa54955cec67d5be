import { describe, test } from "node:test";
import { attention } from "../attention/attention.ts";
import { assertAlmostEquals, assertEquals, assertLess, assertThrows } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { DEVICES, keys, queries, randomHeads } from "./_test_heads.ts";
import { relativeError } from "./golden/relative_error.ts";
import { paroAttention } from "./paro_attention.ts";
import {
  integerAttention,
  paroIntegerAttention,
  quantiseChannels,
  quantiseTokens,
} from "./paro_attention_integer.ts";
import { packMask, type ParoProfile } from "./paro_attention_profile.ts";

/** To the nearest whole number, ties to even. */
function even(x: number): number {
  const low = Math.floor(x);
  return x - low === 0.5 ? low + (low & 1) : Math.round(x);
}

/** A profile of one layer: all tiles of the diagonal, and others by chance. */
function profileOf(order: readonly number[], blockSize: number, seed: number): ParoProfile {
  const n = Math.ceil(67 / blockSize);
  const source = random(seed);
  const parts = order.map(() =>
    packMask(source.ints(n * n, 0, 2).map((bit, i) => i % (n + 1) === 0 ? 1 : bit))
  );
  const masks = Uint8Array.from(parts.flatMap((part) => [...part]));
  return {
    ...{
      version: 1,
      dims: [3, 4, 5],
      textLen: 7,
      blockSize,
      density: 0.5,
      order: [order],
      maskOfStep: [0],
      masks,
    },
  };
}

for (const [name, device] of Object.entries(DEVICES)) {
  describe(`integers on ${name}`, () => {
    for (const bits of [8, 4] as const) {
      test(`tokens and channels are rounded to ${bits} bits by the largest of their block`, async () => {
        using d = device.scope();
        const most = bits === 8 ? 127 : 7;
        const data = random(1).normals(2 * 7 * 5);
        data.fill(0, 0, 10);
        const x = d.tensor(data, [2, 7, 5]);
        const tokens = quantiseTokens(d, x, 2, bits);
        const channels = quantiseChannels(d, x, bits);
        assertEquals([tokens.scales.shape, channels.scales.shape], [[2, 4], [2, 5]]);
        const [rows, rowScales] = [await tokens.codes.read(), await tokens.scales.read()];
        const [columns, columnScales] = [await channels.codes.read(), await channels.scales.read()];
        data.forEach((value, at) => {
          const [h, i, c] = [Math.floor(at / 35), Math.floor(at / 5) % 7, at % 5];
          const scale = rowScales[h * 4 + (i >> 1)]!;
          assertAlmostEquals(value, rows[at]! * scale, scale * 0.5001);
          const other = columnScales[h * 5 + c]!;
          assertAlmostEquals(value, columns[(h * 5 + c) * 7 + i]! * other, other * 0.5001);
        });
        const largest = (values: Float32Array): number =>
          values.reduce((all, one) => Math.max(all, Math.abs(one)), 0);
        assertEquals([largest(rows), largest(columns)], [most, most]);
        assertEquals([...rows, ...columns].every(Number.isInteger), true);
        assertAlmostEquals(rowScales[0]!, 1e-7 / most, 1e-12);
      });
    }

    for (const [group, blockSize, bits] of [[1, 8, 8], [2, 10, 8], [3, 6, 4]] as const) {
      test(`attention sums integers tile by tile: ${bits} bits, blocks of ${blockSize}, groups of ${group}`, async () => {
        using d = device.scope();
        const [heads, length, width] = [2 * group, 29, 6];
        const sample = randomHeads(random(3), { heads, kvHeads: 2, lq: length, lk: length, headDim: width });
        const n = Math.ceil(length / blockSize);
        const flags = Float32Array.from(random(5).ints(heads * n * n, 0, 2));
        flags.fill(0, 0, n);
        const half = blockSize / 2;
        const own = {
          q: quantiseTokens(d, queries(d, sample), half, bits),
          k: quantiseTokens(d, keys(d, sample), blockSize, bits),
          v: quantiseChannels(d, d.tensor(random(6).normals(2 * length * width), [2, length, width]), bits),
        };
        const sizes = { blockSize, queryBlock: half, bits };
        const out = await integerAttention(d, own, d.tensor(flags, [heads, n, n]), sizes).read();
        const [q, qs] = [await own.q.codes.read(), await own.q.scales.read()];
        const [k, ks] = [await own.k.codes.read(), await own.k.scales.read()];
        const [v, vs] = [await own.v.codes.read(), await own.v.scales.read()];
        const most = bits === 8 ? 127 : 7;
        const expected = new Float32Array(out.length);
        for (let h = 0; h < heads; h++) {
          const g = Math.floor(h / group);
          for (let i = 0; i < length; i++) {
            let [top, total] = [-Infinity, 0];
            const sums = new Float64Array(width);
            for (let tile = 0; tile < n; tile++) {
              if (flags[(h * n + Math.floor(i / blockSize)) * n + tile] === 0) continue;
              const slots = Array.from(
                { length: Math.min(blockSize, length - tile * blockSize) },
                (_, s) => tile * blockSize + s,
              );
              const scores = slots.map((j) => {
                let dot = 0;
                for (let c = 0; c < width; c++) {
                  dot += q[(h * length + i) * width + c]! * k[(g * length + j) * width + c]!;
                }
                const scale = qs[h * Math.ceil(length / half) + Math.floor(i / half)]! * ks[g * n + tile]!;
                return dot * scale / Math.sqrt(width);
              });
              const now = Math.max(top, ...scores);
              const fade = Math.exp(top - now);
              const weights = scores.map((score) => Math.exp(score - now));
              total = total * fade + weights.reduce((a, b) => a + b, 0);
              for (let c = 0; c < width; c++) {
                sums[c] = slots.reduce(
                  (sum, j, at) => sum + even(most * weights[at]!) * v[(g * width + c) * length + j]!,
                  sums[c]! * fade,
                );
              }
              top = now;
            }
            for (let c = 0; c < width; c++) {
              expected[(h * length + i) * width + c] = total === 0
                ? 0
                : sums[c]! / most / total * vs[g * width + c]!;
            }
          }
        }
        // A weight that lies between two codes may round either way.
        assertLess(relativeError(out, expected), bits === 8 ? 2e-3 : 2e-2);
        assertEquals(out.subarray(0, blockSize * width).every((value) => value === 0), true);
      });
    }

    test("paroIntegerAttention follows the plan of the same profile, in the order of the tokens", async () => {
      using d = device.scope();
      const sample = randomHeads(random(8), { heads: 4, kvHeads: 2, lq: 67, lk: 67, headDim: 16 });
      const [q, k] = [queries(d, sample), keys(d, sample)];
      const v = d.tensor(random(2).normals(2 * 67 * 16), [2, 67, 16]);
      const profile = profileOf([2, 2, 5, 5], 8, 1);
      const before = device.report.tensors;
      using plan = paroAttention({ profile }).plan(d, q, k);
      const exact = await attention(d, q, k, v, { plan }).out.read();
      const error = async (bits: 8 | 4): Promise<number> =>
        relativeError(await paroIntegerAttention(d, q, k, v, { profile, bits }).read(), exact);
      const [int8, int4] = [await error(8), await error(4)];
      assertLess(int8, 0.04);
      assertLess(int8 * 5, int4);
      // The plan and three outputs.
      assertEquals(device.report.tensors, before + 4);
    });

    test("paroIntegerAttention refuses shapes that do not fit and orders that differ among heads with the same keys", () => {
      using d = device.scope();
      const sample = randomHeads(random(8), { heads: 4, kvHeads: 2, lq: 67, lk: 67, headDim: 4 });
      const [q, k] = [queries(d, sample), keys(d, sample)];
      const profile = profileOf([2, 3, 5, 5], 8, 1);
      const before = device.report.tensors;
      assertThrows(() => paroIntegerAttention(d, q, k, k, { profile }), RangeError, "different orders");
      assertThrows(() => paroIntegerAttention(d, q, k, q, { profile }), RangeError, "do not fit");
      assertEquals(device.report.tensors, before);
    });
  });
}
