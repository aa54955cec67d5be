import { describe, test } from "node:test";
import { openWasm } from "../../wasm/mod.ts";
import { createDevice } from "../device/core_device.ts";
import { openReference } from "../device/reference/mod.ts";
import { assert, assertEquals, assertThrows } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { attention } from "./attention.ts";
import { tileMass } from "./tile_mass.ts";

const DEVICES = {
  reference: createDevice(openReference()),
  wasm: createDevice((await openWasm({ threads: 1 })).backend),
};

/** [heads, key heads, queries, keys, columns, blockQ, tileK] */
const CASES = [
  [4, 4, 32, 32, 8, 8, 8],
  [8, 1, 29, 41, 3, 5, 7],
  [6, 2, 40, 24, 5, 64, 1],
  [2, 1, 1, 1, 2, 64, 64],
] as const;

for (const [title, device] of Object.entries(DEVICES)) {
  describe(`tileMass() on ${title}`, () => {
    for (const [heads, kvHeads, lq, lk, width, blockQ, tileK] of CASES) {
      test(`sums the weights of tiles of ${blockQ} x ${tileK} when ${heads}/${kvHeads} heads have ${lq} x ${lk} pairs`, async () => {
        using d = device.scope();
        const r = random(lq + lk);
        const [q, k] = [r.normals(heads * lq * width), r.normals(kvHeads * lk * width)];
        const lse = r.normals(heads * lq);
        const mass = tileMass(
          d,
          d.tensor(q, [heads, lq, width]),
          d.tensor(k, [kvHeads, lk, width]),
          d.tensor(lse, [heads, lq]),
          { blockQ, tileK, scale: 0.7 },
        );
        const [nQ, nK] = [Math.ceil(lq / blockQ), Math.ceil(lk / tileK)];
        assertEquals(mass.shape, [heads, nQ, nK]);
        const expected = new Float64Array(heads * nQ * nK);
        for (let at = 0; at < heads * lq * lk; at++) {
          const [h, i, j] = [Math.floor(at / lq / lk), Math.floor(at / lk) % lq, at % lk];
          const key = Math.floor(h / (heads / kvHeads)) * lk + j;
          let score = 0;
          for (let c = 0; c < width; c++) score += 0.7 * q[(h * lq + i) * width + c]! * k[key * width + c]!;
          expected[(h * nQ + Math.floor(i / blockQ)) * nK + Math.floor(j / tileK)]! += Math.exp(
            score - lse[h * lq + i]!,
          );
        }
        const off = (await mass.read()).map((value, at) => Math.abs(value / expected[at]! - 1));
        assert(Math.max(...off) < 1e-5);
      });
    }

    test("a row of tiles sums to its number of queries when the log-sum-exp is that of attention", async () => {
      using d = device.scope();
      const r = random(3);
      const [q, k] = [d.tensor(r.normals(600), [2, 50, 6]), d.tensor(r.normals(300), [1, 50, 6])];
      const { lse } = attention(d, q, k, k, { lse: true });
      const mass = await tileMass(d, q, k, lse, { blockQ: 16, tileK: 16 }).read();
      for (let row = 0; row < 8; row++) {
        const sum = mass.slice(4 * row, 4 * row + 4).reduce((a, b) => a + b);
        assert(Math.abs(sum - [16, 16, 16, 2][row % 4]!) < 1e-4);
      }
    });

    test("stays finite when a log-sum-exp is far too small", async () => {
      using d = device.scope();
      const x = d.tensor(new Float32Array(40).fill(100), [1, 20, 2]);
      const lse = d.tensor(new Float32Array(20).fill(-1000), [1, 20]);
      assert((await tileMass(d, x, x, lse, { blockQ: 8, tileK: 8 }).read()).every(Number.isFinite));
    });

    test("leaves nothing behind but its result", () => {
      const before = device.report.tensors;
      using d = device.scope();
      const x = d.tensor(new Float32Array(80), [2, 20, 2]);
      tileMass(d, x, x, d.empty([2, 20]), { blockQ: 8, tileK: 8 });
      assertEquals(device.report.tensors, before + 3);
    });
  });
}

describe("tileMass()", () => {
  const d = DEVICES.reference;

  test("puts every sum in its place when heads and rows are computed in several parts", async () => {
    using w = DEVICES.wasm.scope();
    const [heads, length, blockQ, tileK] = [3, 2000, 700, 1500];
    const x = w.tensor(new Float32Array(heads * length), [heads, length, 1]);
    // All scores are 0: the weight of a query is its number, whatever the key.
    const lse = Float32Array.from({ length: heads * length }, (_, i) => -Math.log(i + 1));
    const mass = await tileMass(w, x, x, w.tensor(lse, [heads, length]), { blockQ, tileK }).read();
    const expected = [0, 1, 2].flatMap((h) =>
      [[0, 700], [700, 1400], [1400, 2000]].flatMap(([from, to]) => {
        const sum = (to! - from!) * (h * length + (from! + to! + 1) / 2);
        return [1500 * sum, 500 * sum];
      })
    );
    assertEquals(mass.length, 18);
    assert(expected.every((value, i) => Math.abs(mass[i]! / value - 1) < 1e-4));
  });

  test("gives an empty result when there are no keys", () => {
    const [q, k] = [d.empty([2, 9, 4]), d.empty([2, 0, 4])];
    assertEquals(tileMass(d, q, k, d.empty([2, 9]), { blockQ: 4, tileK: 4 }).shape, [2, 3, 0]);
  });

  test("refuses a log-sum-exp of another length", () => {
    const x = d.empty([2, 9, 4]);
    assertThrows(
      () => tileMass(d, x, x, d.empty([2, 8]), { blockQ: 4, tileK: 4 }),
      RangeError,
      `"lse" has shape [2,8], expected [2,9]`,
    );
  });
});
