import { describe, test } from "node:test";
import { openDevice } from "../device/mod.ts";
import type { Tensor } from "../device/tensor.ts";
import { assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { attention } from "./attention.ts";
import { type HostLists, planFromLists, planFromMask } from "./builders.ts";
import { densePlan, Plan, planOf, type PlanShape } from "./plan.ts";

const device = await openDevice({ prefer: "reference" });
const r = random(5);
const make = (...shape: number[]): Tensor =>
  device.tensor(r.normals(shape.reduce((a, b) => a * b, 1)), shape);

const shapeOf = (lq: number, lk = lq, more: Partial<PlanShape> = {}): PlanShape => ({
  heads: 1,
  lq,
  lk,
  causal: true,
  blockQ: 4,
  tileK: 4,
  ...more,
});

/** softmax(q k^T / sqrt(D)) v over the pairs of a mask, in float64. */
async function masked(q: Tensor, k: Tensor, v: Tensor, mask: ArrayLike<number>): Promise<number[]> {
  const [heads, lq, dim] = q.shape as [number, number, number];
  const [kvHeads, lk] = k.shape as [number, number];
  const [qs, ks, vs] = [await q.read(), await k.read(), await v.read()];
  const out: number[] = [];
  for (let h = 0; h < heads; h++) {
    const kv = Math.floor(h * kvHeads / heads);
    for (let i = 0; i < lq; i++) {
      const mix = new Array<number>(dim).fill(0);
      let sum = 0;
      for (let j = 0; j < lk; j++) {
        if (!mask[(h * lq + i) * lk + j]) continue;
        let score = 0;
        for (let d = 0; d < dim; d++) score += qs[(h * lq + i) * dim + d]! * ks[(kv * lk + j) * dim + d]!;
        const power = Math.exp(score / Math.sqrt(dim));
        sum += power;
        for (let d = 0; d < dim; d++) mix[d]! += power * vs[(kv * lk + j) * dim + d]!;
      }
      out.push(...mix.map((x) => sum === 0 ? 0 : x / sum));
    }
  }
  return out;
}

function near(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 1e-5): void {
  assertEquals(actual.length, expected.length);
  for (let i = 0; i < actual.length; i++) assertAlmostEquals(actual[i]!, expected[i]!, tolerance);
}

describe("a plan", () => {
  test("says by its mask what attention computes", async () => {
    const [q, k, v] = [make(4, 10, 6), make(2, 13, 6), make(2, 13, 6)];
    const shape = shapeOf(10, 13, { heads: 4 });
    const plan = await planFromLists(device, shape, {
      tiles: [[[0], [1, 6], [5, 9]], [[], [3], []], [[2], [2], [2]], [[0], [0, 4], [8]]],
      columns: [[[5], [0]], [[8, 9], [12]], [[], [0, 1]], [[], []]],
      columnOf: [[0, -1, 1], [-1, 0, 1], [0, 1, 1], [-1, -1, -1]],
    });
    const mask = await plan.mask();
    near(await attention(device, q, k, v, { plan }).out.read(), await masked(q, k, v, mask));
    const kept = mask.reduce((sum, bit) => sum + bit, 0);
    assertAlmostEquals(await plan.density(), kept / (4 * (10 * 13 - 45)), 1e-12);
  });

  test("of a mask gives the mask back", async () => {
    const mask = Uint8Array.from(r.ints(2 * 9 * 40, 0, 2));
    const shape = shapeOf(9, 40, { heads: 2, causal: false, tileK: 33 });
    const plan = planFromMask(device, mask, shape);
    assertEquals(await plan.mask(), mask);
    assertAlmostEquals(await plan.density(), mask.reduce((sum, bit) => sum + bit, 0) / mask.length, 1e-12);
  });

  test("that lists everything equals dense attention, in any order of queries and keys", async () => {
    const [q, k, v] = [make(2, 11, 5), make(1, 11, 5), make(1, 11, 5)];
    const order = (n: number): number[] => r.shuffle(Array.from({ length: n }, (_, i) => i));
    const plan = await planFromLists(device, shapeOf(11, 11, { heads: 2 }), {
      tiles: [[[0, 4, 8], [0, 4, 8], [0, 4, 8]]],
      qOrder: [order(11)],
      kOrder: [order(11), order(11)],
    });
    const dense = attention(device, q, k, v, { causal: true, lse: true });
    const { out, lse } = attention(device, q, k, v, { plan, lse: true });
    near(await out.read(), await dense.out.read());
    near(await lse.read(), await dense.lse.read());
    assertAlmostEquals(await plan.recall(q, k), 1, 1e-6);
    assertEquals(await plan.density(), 1);
  });

  test("has the recall of the mass that its mask keeps", async () => {
    const [q, k] = [make(1, 6, 3), make(1, 6, 3)];
    const plan = await planFromLists(device, shapeOf(6), { tiles: [[[0], [2]]] });
    const ones = device.tensor(new Float32Array(6).fill(1), [1, 6, 1]);
    const mask = await plan.mask();
    // Attention over values that are 1 where the mask is and 0 elsewhere gives the kept mass.
    let expected = 0;
    for (let i = 0; i < 6; i++) {
      const values = device.tensor(
        Float32Array.from({ length: 18 }, (_, n) => mask[i * 6 + Math.floor(n / 3)]!),
        [1, 6, 3],
      );
      expected += (await attention(device, q, k, values, { causal: true }).out.read())[i * 3]! / 6;
    }
    assertAlmostEquals(await plan.recall(q, k), expected, 1e-5);
    ones.dispose();
  });

  test("cuts by a band of sink and window", async () => {
    const plan = await planFromLists(device, shapeOf(12), {
      tiles: [[[0], [0, 4], [0, 4, 8]]],
      band: [[2, 3]],
    });
    const mask = await plan.mask();
    for (let i = 0; i < 12; i++) {
      for (let j = 0; j < 12; j++) assertEquals(mask[i * 12 + j], Number(j <= i && (j < 2 || i - j < 3)));
    }
    const area = mask.reduce((sum, bit) => sum + bit, 0) / 78;
    assertAlmostEquals(await plan.density(), area, 1e-12);
  });

  test("with a bias on keys adds it to their scores", async () => {
    const [q, k, v] = [make(2, 3, 4), make(1, 3, 4), make(1, 3, 4)];
    const bias = device.tensor(Float32Array.of(0, -Infinity, 2), [1, 3]);
    const all = device.tensor(Int32Array.of(0), [1, 1, 1]);
    const plan = planOf(device, shapeOf(3, 3, { heads: 2, causal: false }), { tiles: all }, bias);
    const { lse } = attention(device, q, k, v, { plan, lse: true, scale: 0 });
    near(await lse.read(), new Array(6).fill(Math.log(1 + Math.exp(2))));
  });

  test("of zero queries or keys gives an empty or zero result", async () => {
    for (const [lq, lk] of [[0, 0], [0, 5], [3, 0]] as const) {
      const plan = densePlan({ heads: 2, lq, lk, causal: true });
      const { out } = attention(device, make(2, lq, 4), make(2, lk, 4), make(2, lk, 4), { plan });
      assertEquals(await out.read(), new Float32Array(2 * lq * 4));
      assertEquals([await plan.density(), (await plan.mask()).length], [0, 2 * lq * lk]);
    }
  });

  test("of one token sees it", async () => {
    const v = make(1, 1, 3);
    const plan = await planFromLists(device, shapeOf(1), { tiles: [[[0]]] });
    near(await attention(device, make(1, 1, 3), make(1, 1, 3), v, { plan }).out.read(), await v.read());
  });

  test("without lists gives zeros and -Infinity", async () => {
    const plan = planOf(device, shapeOf(5), {});
    await plan.validate();
    const { out, lse } = attention(device, make(1, 5, 2), make(1, 5, 2), make(1, 5, 2), { plan, lse: true });
    assertEquals(await out.read(), new Float32Array(10));
    assertEquals(await lse.read(), new Float32Array(5).fill(-Infinity));
    assertEquals(await plan.density(), 0);
  });

  test("gives zeros to a query that sees nothing", async () => {
    const plan = await planFromLists(device, shapeOf(6), { tiles: [[[3], []]] });
    const out = await attention(device, make(1, 6, 2), make(1, 6, 2), make(1, 6, 2), { plan }).out.read();
    assertEquals(out.slice(0, 6), new Float32Array(6));
    assertEquals(out.slice(8), new Float32Array(4));
    assertEquals(out[6] !== 0 && !Number.isNaN(out[6]), true);
  });

  test("keeps NaN and infinite keys to the queries that see them", async () => {
    const keys = r.normals(6 * 2);
    keys[4] = NaN;
    keys[7] = Infinity;
    const [q, k, v] = [make(1, 6, 2), device.tensor(keys, [1, 6, 2]), make(1, 6, 2)];
    const plan = await planFromLists(device, shapeOf(6, 6, { blockQ: 2, tileK: 2 }), {
      tiles: [[[0], [0, 2], [0, 4]]],
    });
    const out = await attention(device, q, k, v, { plan }).out.read();
    assertEquals([...out.slice(0, 4), ...out.slice(8)].some(Number.isNaN), false);
    assertEquals(Number.isNaN(out[4]), true);
  });

  for (let group = 1; group <= 8; group++) {
    test(`shares keys between ${group} query heads`, async () => {
      const heads = 2 * group;
      const [q, k, v] = [make(heads, 7, 3), make(2, 7, 3), make(2, 7, 3)];
      const plan = await planFromLists(device, shapeOf(7, 7, { heads }), { tiles: [[[0], [0, 4]]] });
      near(await attention(device, q, k, v, { plan }).out.read(), await masked(q, k, v, await plan.mask()));
    });
  }

  test("refuses heads of more than 256 columns, an odd width is fine", async () => {
    const plan = await planFromLists(device, shapeOf(2), { tiles: [[[0]]] });
    const wide = make(1, 2, 257);
    assertThrows(() => attention(device, wide, wide, wide, { plan }), RangeError, "at most 256");
    const odd = make(1, 2, 255);
    assertEquals(attention(device, odd, odd, odd, { plan }).out.shape, [1, 2, 255]);
  });

  test("of other sizes than q and k is refused", async () => {
    const plan = await planFromLists(device, shapeOf(4), { tiles: [[[0]]] });
    const x = make(1, 5, 2);
    assertThrows(
      () => attention(device, x, x, x, { plan }),
      RangeError,
      "4 queries and 4 keys, got 1, 5 and 5",
    );
  });

  const wrong: readonly (readonly [what: string, lists: HostLists, says: string])[] = [
    [
      "a tile out of range",
      { tiles: [[[0], [8]]] },
      "tile 8 is out of range, expected 0 to 7 in row block 1",
    ],
    ["a negative tile", { tiles: [[[-3], [0]]] }, "tile -3 is out of range"],
    ["a tile twice", { tiles: [[[0], [0, 0]]] }, "tile 0 comes after tile 0"],
    ["tiles that overlap", { tiles: [[[0], [0, 3]]] }, "slot 3 is listed twice in row block 1 of head 0"],
    ["a tile after the last query", { tiles: [[[4], [0]]] }, "tile 4 begins after the last query"],
    ["a column out of range", { columns: [[[0], [9]]] }, "column 9 is out of range"],
    ["a column twice", { columns: [[[0], [1, 1]]] }, "slot 1 is listed twice"],
    ["columns in disorder", { columns: [[[0], [2, 1]]] }, "column 1 comes after column 2"],
    ["a column in a tile", { tiles: [[[0], [4]]], columns: [[[], [5]]] }, "slot 5 is listed twice"],
    ["a list that is not there", { columns: [[[0]]], columnOf: [[0, 1]] }, "column list 1 is out of range"],
    [
      "an order with a query twice",
      { tiles: [[[0], [0]]], qOrder: [[0, 1, 2, 3, 4, 5, 6, 6]] },
      "entry 6 twice",
    ],
    [
      "an order with a key too large",
      { tiles: [[[0], [0]]], kOrder: [[0, 1, 2, 3, 4, 5, 6, 8]] },
      "entry 8,",
    ],
    ["half a key", { tiles: [[[0.5], [0]]] }, "entry 0.5"],
    ["too few row blocks", { tiles: [[[0]]] }, "expected [1 or 1, 2, 1]"],
  ];
  for (const [what, lists, says] of wrong) {
    test(`with ${what} is refused`, async () => {
      const before = device.report.tensors;
      await assertRejects(() => planFromLists(device, shapeOf(8), lists), RangeError, says);
      assertEquals(device.report.tensors, before);
    });
  }

  test("holds one tensor, whatever its parts are", () => {
    const parts = {
      tiles: device.tensor(Int32Array.of(0), [1, 1, 1]),
      columns: device.tensor(new Int32Array(2).fill(-1), [2, 1, 1]),
    };
    const before = device.report.tensors;
    planOf(device, shapeOf(4, 4, { heads: 2 }), parts);
    assertEquals(device.report.tensors, before + 1);
  });

  test("frees its matrix when it is disposed", async () => {
    const before = device.report.tensors;
    const plan = await planFromLists(device, shapeOf(4), { tiles: [[[0]]] });
    assertEquals([plan instanceof Plan, device.report.tensors], [true, before + 1]);
    plan.dispose();
    assertEquals(device.report.tensors, before);
  });
});

describe("a picture of a plan", () => {
  test("shows what is computed, what is not and what causality hides", async () => {
    const plan = await planFromLists(device, shapeOf(8), { tiles: [[[0], [4]]] });
    assertEquals(
      await plan.text({ title: "plan" }),
      ["plan", "██", "████", "····██", "····████", ""].join("\n"),
    );
  });

  test("as SVG is well formed and escapes its title", async () => {
    const plan = await planFromLists(device, shapeOf(8), { tiles: [[[0], [4]]] });
    const svg = await plan.svg({ title: "a <b> & c" });
    assertEquals(svg.includes("a &#60;b&#62; &#38; c"), true);
    assertEquals(svg.match(/<path class="l[04]"/g)!.length, 2);
    assertEquals(svg.startsWith("<svg xmlns="), true);
  });

  test("of a head that is not there is refused", async () => {
    await assertRejects(
      () => densePlan({ heads: 2, lq: 4, lk: 4, causal: true }).svg({ head: 2 }),
      RangeError,
      "heads 0 to 1",
    );
  });
});
