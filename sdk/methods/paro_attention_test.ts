import { describe, test } from "node:test";
import { attention } from "../attention/attention.ts";
import { assertAlmostEquals, assertEquals, assertRejects } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { assertMask, DEVICES, type Heads, keys, maskOf, queries, scoreOf } from "./_test_heads.ts";
import { paroAttention } from "./paro_attention.ts";
import type { ParoFigures } from "./paro_attention_choice.ts";
import { orderTokens } from "./paro_attention_orders.ts";
import { GRID, type Grid, headsFor, lengthOf, randomProfile } from "./_test_paro.ts";

for (const [name, device] of Object.entries(DEVICES)) {
  describe(`paroAttention() on ${name}`, () => {
    const cases: readonly (readonly [string, Grid, readonly number[], number])[] = [
      ["orders of their own, text in a block with the picture", GRID, [0, 1, 2, 3, 4, 5], 6],
      ["heads in groups", GRID, [4, 4, 2, 2, 2, 2], 3],
      ["one order for all", { ...GRID, textLen: 0 }, [5, 5, 5, 5], 2],
      ["the natural order", { ...GRID, blockSize: 5 }, [0, 0], 2],
      ["a one-frame video", { ...GRID, dims: [1, 8, 7], blockSize: 6 }, [0, 3, 1, 4], 4],
    ];
    for (const [title, grid, order, kvHeads] of cases) {
      test(`computes the tiles of the masks in the orders of the heads: ${title}`, async () => {
        const profile = randomProfile(random(1), grid, order);
        const heads = headsFor(grid, order.length, kvHeads);
        const n = Math.ceil(lengthOf(grid) / grid.blockSize);
        const bytes = Math.ceil(n * n / 8);
        const places = order.map((own) => {
          const at = new Int32Array(lengthOf(grid));
          orderTokens(grid.dims, grid.textLen, own).forEach((token, place) => at[token] = place);
          return at;
        });
        for (const step of [0, 1]) {
          const mask = await maskOf(device, paroAttention({ profile, step }), heads);
          assertMask(mask, heads, (h, i, j) => {
            const block = (token: number): number => Math.floor(places[h]![token]! / grid.blockSize);
            const bit = block(i) * n + block(j);
            return profile.masks[(step * order.length + h) * bytes + (bit >> 3)]! >> (bit & 7) & 1;
          });
        }
      });
    }

    test("plans up to four blocks dense, both ways", () => {
      using d = device.scope();
      const grid: Grid = { dims: [2, 3, 4], textLen: 2, blockSize: 8 };
      const heads = headsFor(grid, 2);
      const plan = paroAttention({ profile: randomProfile(random(2), grid, [1, 2]) })
        .plan(d, queries(d, heads), keys(d, heads));
      assertEquals([plan.kind, plan.causal], ["dense", false]);
    });

    test("gives zeros to queries of a row without tiles", async () => {
      using d = device.scope();
      const heads = headsFor(GRID, 2);
      const profile = { ...randomProfile(random(2), GRID, [0, 4]) };
      const empty = { ...profile, masks: new Uint8Array(profile.masks.length) };
      const [q, k] = [queries(d, heads), keys(d, heads)];
      const plan = paroAttention({ profile: empty }).plan(d, q, k);
      await plan.validate();
      assertEquals((await attention(d, q, k, k, { plan }).out.read()).every((value) => value === 0), true);
    });

    for (
      const [title, grid, group] of [
        ["text, a short last block, heads in groups", GRID, 2],
        ["no text, blocks of odd size", { dims: [2, 5, 4], textLen: 0, blockSize: 5 }, 1],
        ["no complete block without text", { dims: [1, 2, 3], textLen: 3, blockSize: 4 }, 1],
      ] as const
    ) {
      test(`calibrates what the definitions say: ${title}`, async () => {
        using d = device.scope();
        const samples = [0, 1].map((step) => ({ step, heads: headsFor(grid, 4, 4 / group, 20 + step) }));
        let figures: ParoFigures | undefined;
        const sums: Float64Array[] = [];
        const before = device.report.tensors;
        const tensors = samples.map(({ step, heads }) => ({ step, q: queries(d, heads), k: keys(d, heads) }));
        const profile = await paroAttention.calibrate(d, tensors, {
          ...{ ...grid, steps: 2, density: 0.3, eps: 0.01, sigma: 0.5 },
          onOrders: (_, own) => figures = own,
          onMask: (_, mask, own) => sums[mask] = own,
        });
        assertEquals(device.report.tensors, before + 4);
        const expected = samples.map(({ heads }) => measured(heads, grid, 0.01, 0.5));
        for (let h = 0; h < 4; h++) {
          for (let order = 0; order < 6; order++) {
            for (const key of ["sparse", "quant"] as const) {
              const mean = (expected[0]![key][h]![order]! + expected[1]![key][h]![order]!) / 2;
              assertAlmostEquals(figures![key][h]![order]!, mean, 1e-4 * Math.max(1, mean));
            }
          }
          const own = profile.order[0]![h]!;
          assertEquals(own, profile.order[0]![h - h % group]);
          const n = Math.ceil(lengthOf(grid) / grid.blockSize);
          samples.forEach(({ step, heads }) => {
            const tiles = tileSums(heads, grid, h, own);
            tiles.forEach((sum, i) => assertAlmostEquals(sums[step]![h * n * n + i]!, sum, 1e-4));
          });
        }
      });
    }

    test("calibrates the order in which a head's neighbours are near", async () => {
      using d = device.scope();
      const grid: Grid = { dims: [8, 3, 3], textLen: 0, blockSize: 8 };
      // Keys match queries of the same place, whatever the frame: 8 frames of a place fill a block.
      const x = d.tensor(
        Float32Array.from({ length: 72 * 16 }, (_, at) => Math.floor(at / 16) % 9 === at % 16 ? 6 : 0),
        [1, 72, 16],
      );
      const profile = await paroAttention.calibrate(d, [{ step: 0, q: x, k: x }], {
        ...grid,
        steps: 1,
        density: 0.2,
      });
      // HWF puts frames last and comes before WHF.
      assertEquals(profile.order, [[2]]);
      const plan = paroAttention({ profile }).plan(d, x, x);
      await plan.validate();
      assertEquals(await plan.recall(x, x) > 0.99, true);
    });
  });
}

/** The attention map of a head in an order, in float64. */
function mapOf(heads: Heads, grid: Grid, h: number, order: number): Float64Array {
  const length = lengthOf(grid);
  const tokens = orderTokens(grid.dims, grid.textLen, order);
  const map = new Float64Array(length * length);
  for (let i = 0; i < length; i++) {
    const row = map.subarray(i * length, (i + 1) * length);
    for (let j = 0; j < length; j++) row[j] = Math.exp(scoreOf(heads, h, tokens[i]!, tokens[j]!));
    const sum = row.reduce((all, one) => all + one, 0);
    for (let j = 0; j < length; j++) row[j]! /= sum;
  }
  return map;
}

function measured(
  heads: Heads,
  grid: Grid,
  eps: number,
  sigma: number,
): { sparse: number[][]; quant: number[][] } {
  const { textLen, blockSize: b } = grid;
  const length = lengthOf(grid);
  const [first, end] = [Math.ceil(textLen / b), Math.floor(length / b)];
  const [sparse, quant]: [number[][], number[][]] = [[], []];
  for (let h = 0; h < heads.heads; h++) {
    sparse.push([]);
    quant.push([]);
    for (let order = 0; order < 6; order++) {
      const map = mapOf(heads, grid, h, order);
      let [empty, uneven] = [0, 0];
      for (let r = first; r < end; r++) {
        for (let c = first; c < end; c++) {
          const tile = Array.from(
            { length: b * b },
            (_, i) => map[(r * b + Math.floor(i / b)) * length + c * b + i % b]!,
          );
          if (tile.filter((weight) => weight < eps).length >= sigma * b * b) empty++;
          uneven += Math.max(...tile) / (tile.reduce((all, one) => all + one, 0) / (b * b));
        }
      }
      const tiles = Math.max(1, (end - first) ** 2);
      sparse[h]!.push(empty / tiles);
      quant[h]!.push(uneven / tiles);
    }
  }
  return { sparse, quant };
}

function tileSums(heads: Heads, grid: Grid, h: number, order: number): Float64Array {
  const [length, n] = [lengthOf(grid), Math.ceil(lengthOf(grid) / grid.blockSize)];
  const sums = new Float64Array(n * n);
  mapOf(heads, grid, h, order).forEach((weight, at) => {
    const [r, c] = [Math.floor(at / length), at % length].map((one) => Math.floor(one / grid.blockSize));
    sums[r! * n + c!]! += weight;
  });
  return sums;
}

describe("paroAttention.calibrate()", () => {
  test("refuses zero steps, an empty image, NaN in one frame, and samples that do not fit", async () => {
    using d = DEVICES["reference"]!.scope();
    const heads = headsFor(GRID, 2);
    const [q, k] = [queries(d, heads), keys(d, heads)];
    const run = (samples: { step: number; layer?: number; q: typeof q; k: typeof q }[], more = {}) =>
      paroAttention.calibrate(d, samples, { ...GRID, steps: 1, ...more });
    await assertRejects(() => run([{ step: 0, q, k }], { steps: 0 }), RangeError, "steps");
    await assertRejects(() => run([{ step: 0, q, k }], { dims: [3, 4, 0] }), RangeError, "width");
    await assertRejects(
      () => run([{ step: 0, q, k }], { dims: [3, 4, 4] }),
      RangeError,
      "grid does not match",
    );
    await assertRejects(() => run([]), RangeError, "no samples");
    await assertRejects(() => run([{ step: 1, q, k }]), RangeError, "step 1");
    await assertRejects(() => run([{ step: 0, q, k }], { steps: 2 }), RangeError, "no sample of mask 1");
    await assertRejects(() => run([{ step: 0, layer: 1, q, k }]), RangeError, "layer 0 has no sample");
    await assertRejects(() => run([{ step: 0, q, k }], { maskOfStep: [3] }), RangeError, "maskOfStep");
    const bad = d.tensor(heads.k.with(300, NaN), k.shape);
    await assertRejects(() => run([{ step: 0, q, k: bad }]), RangeError, "not a finite number");
  });
});
