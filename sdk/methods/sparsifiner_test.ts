import { describe, test } from "node:test";
import { attention } from "../attention/attention.ts";
import { assertEquals, assertThrows } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { assertMask, DEVICES, type HeadSizes, keys, maskOf, queries, randomHeads } from "./_test_heads.ts";
import { coefficients, largest, mixed, randomPredictor } from "./_test_sparsifiner.ts";
import { sparsifiner, type SparsifinerOptions } from "./sparsifiner.ts";
import { SparsifinerPredictor, type SparsifinerSizes } from "./sparsifiner_predictor.ts";

/** The mask as the definition says: for head, query and key 1, 0, or NaN where rounding may decide. */
function maskByDefinition(
  predictor: SparsifinerPredictor,
  sample: ReturnType<typeof randomHeads>,
  options: Partial<SparsifinerOptions>,
): (h: number, i: number, j: number) => number {
  const { coefUseTopk, coefTopk, coefThreshold, scoreUseTopk, scoreThreshold, attnKeepRate, basisThreshold } =
    { ...sparsifiner.defaults, ...options };
  const { tokens, vectors } = predictor.sizes;
  const above = (x: number, threshold: number): number =>
    Math.abs(x - threshold) < 1e-6 && x !== 0 ? NaN : Number(x > threshold);
  const kept = coefficients(predictor, sample).map((head) =>
    head.map((row) => {
      const wanted = coefUseTopk
        ? largest(row, Math.min(coefTopk, vectors))
        : row.map((x) => above(x, coefThreshold));
      return row.map((x, n) => x * wanted[n]!);
    })
  );
  const masks = mixed(kept, predictor.basis(basisThreshold), predictor.sizes).map((head) =>
    head.map((row) => {
      if (row.some(Number.isNaN)) return row;
      return scoreUseTopk
        ? largest(row, Math.ceil(attnKeepRate * tokens))
        : row.map((x) => above(x, scoreThreshold));
    })
  );
  return (h, i, j) => i === 0 ? 1 : masks[h]![i - 1]![j]!;
}

/** Sizes of an image and its predictor. */
type Case = readonly [
  title: string,
  sizes: Pick<HeadSizes, "heads" | "kvHeads"> & SparsifinerSizes,
  options: Partial<SparsifinerOptions>,
];

const CASES: readonly Case[] = [
  ["takes the official budget", {
    heads: 3,
    kvHeads: 3,
    tokens: 50,
    headDim: 8,
    channels: 4,
    vectors: 12,
  }, {}],
  ["lets query heads share keys", {
    heads: 4,
    kvHeads: 2,
    tokens: 33,
    headDim: 5,
    channels: 3,
    vectors: 4,
  }, { attnKeepRate: 0.4, coefTopk: 3 }],
  ["drops most of the basis", { heads: 2, kvHeads: 1, tokens: 29, headDim: 6, channels: 2, vectors: 3 }, {
    basisThreshold: 0.6,
    coefTopk: 1,
  }],
  ["chooses by thresholds in blocks of rows", {
    heads: 2,
    kvHeads: 2,
    tokens: 70,
    headDim: 6,
    channels: 3,
    vectors: 9,
  }, { coefUseTopk: false, coefThreshold: 0.1, scoreUseTopk: false, scoreThreshold: 0.12 }],
  ["fills two whole blocks", { heads: 1, kvHeads: 1, tokens: 128, headDim: 4, channels: 2, vectors: 5 }, {
    scoreUseTopk: false,
    scoreThreshold: 0.2,
  }],
  ["takes an image of one patch", { heads: 2, kvHeads: 2, tokens: 2, headDim: 4, channels: 2, vectors: 1 }, {
    attnKeepRate: 0.5,
  }],
];

const SIZES = { tokens: 40, headDim: 6, channels: 3, vectors: 6 };

function sampleOf(seed: number, heads = 2, sizes: SparsifinerSizes = SIZES) {
  const { tokens, headDim } = sizes;
  return randomHeads(random(seed), { heads, kvHeads: heads, lq: tokens, lk: tokens, headDim });
}

for (const [name, device] of Object.entries(DEVICES)) {
  describe(`sparsifiner on ${name}`, () => {
    for (const [seed, [title, { heads, kvHeads, ...sizes }, options]] of CASES.entries()) {
      test(`${title}, as the definition says`, async () => {
        const { tokens, headDim } = sizes;
        const sample = randomHeads(random(seed), { heads, kvHeads, lq: tokens, lk: tokens, headDim });
        const weights = randomPredictor(random(seed + 10), sizes);
        const before = device.report.tensors;
        const mask = await maskOf(device, sparsifiner({ weights, ...options }), sample);
        assertEquals(device.report.tensors, before);
        const expected = maskByDefinition(weights, sample, options);
        assertMask(mask, sample, expected);
        const sure = mask.filter((_, at) => {
          return !Number.isNaN(
            expected(Math.floor(at / tokens ** 2), Math.floor(at / tokens) % tokens, at % tokens),
          );
        });
        assertEquals(sure.length > 0.9 * mask.length, true);
      });
    }

    test("fills the budget with the first keys where all scores are 0", async () => {
      const { sizes, weights } = randomPredictor(random(1), SIZES);
      const blind = new SparsifinerPredictor(sizes, { ...weights, restore: weights.restore.map(() => 0.01) });
      const sample = sampleOf(1);
      const mask = await maskOf(device, sparsifiner({ weights: blind }), sample);
      assertMask(mask, sample, (_, i, j) => Number(i === 0 || j < 10));
    });

    test("gives zeros to queries that see nothing", async () => {
      using d = device.scope();
      const weights = randomPredictor(random(1), SIZES);
      const sample = sampleOf(1);
      const [q, k] = [queries(d, sample), keys(d, sample)];
      const plan = sparsifiner({ weights, scoreUseTopk: false, scoreThreshold: 100 }).plan(d, q, k);
      await plan.validate();
      const out = await attention(d, q, k, k, { plan }).out.read();
      const row = SIZES.headDim;
      assertEquals(out.subarray(row, SIZES.tokens * row).every((x) => x === 0), true);
      assertEquals(out.subarray(0, row).every((x) => Number.isFinite(x) && x !== 0), true);
    });

    test("gives a valid plan of keys with NaN and infinite ones", async () => {
      for (const [at, value] of [[7, NaN], [100, Infinity]] as const) {
        for (const scoreUseTopk of [true, false]) {
          const sample = sampleOf(2);
          sample.k[at] = value;
          const weights = randomPredictor(random(2), SIZES);
          const mask = await maskOf(device, sparsifiner({ weights, scoreUseTopk }), sample);
          assertEquals(mask.subarray(0, SIZES.tokens).every((seen) => seen === 1), true);
        }
      }
    });

    test("is dense if the budget is the whole image, or the image is the CLS token alone", async () => {
      using d = device.scope();
      const whole = sampleOf(3);
      const weights = randomPredictor(random(3), SIZES);
      const plan = sparsifiner({ weights, attnKeepRate: 0.99 }).plan(d, queries(d, whole), keys(d, whole));
      assertEquals([plan.kind, plan.causal], ["dense", false]);
      const one = { ...SIZES, tokens: 1 };
      const options = { weights: randomPredictor(random(3), one), scoreUseTopk: false };
      assertEquals([...await maskOf(device, sparsifiner(options), sampleOf(3, 2, one))], [1, 1]);
    });

    test("gives an empty image an empty plan", async () => {
      using d = device.scope();
      const nothing = d.tensor(new Float32Array(0), [2, 0, 6]);
      const plan = sparsifiner({ weights: randomPredictor(random(3), SIZES) }).plan(d, nothing, nothing);
      assertEquals((await attention(d, nothing, nothing, nothing, { plan }).out.read()).length, 0);
    });

    test("refuses images of another number of tokens and heads of another width", () => {
      using d = device.scope();
      const made = sparsifiner({ weights: randomPredictor(random(3), SIZES) });
      for (const [tokens, headDim] of [[41, 6], [40, 8]] as const) {
        const sample = sampleOf(3, 2, { ...SIZES, tokens, headDim });
        assertThrows(
          () => made.plan(d, queries(d, sample), keys(d, sample)),
          RangeError,
          "made for 40 tokens and heads of 6 columns",
        );
      }
    });

    test("takes the predictor of the layer that is named", async () => {
      using d = device.scope();
      const layers = [1, 2].map((seed) => randomPredictor(random(seed), SIZES));
      const sample = sampleOf(4);
      const [q, k] = [queries(d, sample), keys(d, sample)];
      const made = sparsifiner({ weights: layers });
      const mask = await made.plan(d, q, k, { layer: 1 }).mask();
      assertEquals(mask, await sparsifiner({ weights: layers[1]! }).plan(d, q, k, { layer: 1 }).mask());
      assertThrows(() => made.plan(d, q, k), RangeError, `"layer" is undefined`);
      assertThrows(() => made.plan(d, q, k, { layer: 2 }), RangeError, "a number below 2");
    });
  });
}

describe("sparsifiner", () => {
  test("gives heads that agree the same keys in a map that is made in parts", async () => {
    using d = DEVICES["wasm"]!.scope();
    const sizes = { tokens: 1500, headDim: 4, channels: 2, vectors: 5 };
    const one = sampleOf(5, 1, sizes);
    const x = d.tensor(Float32Array.from({ length: 4 * one.q.length }, (_, i) => one.q[i % one.q.length]!), [
      4,
      1500,
      4,
    ]);
    const weights = randomPredictor(random(5), sizes);
    const plan = sparsifiner({ weights, scoreUseTopk: false, scoreThreshold: 0.2 }).plan(d, x, x);
    const densities = await plan.densities();
    assertEquals(densities.every((share) => share === densities[0]), true);
    const [first, last] = [0, 3].map((h) => plan.keysOf([1, 1400, 1499]).then((all) => all[h]));
    assertEquals(await first, await last);
    assertEquals(densities[0]! > 0.05 && densities[0]! < 0.95, true);
  });

  test("refuses options that make no sense", () => {
    const weights = randomPredictor(random(1), SIZES);
    assertThrows(() => sparsifiner(), TypeError, `no "weights"`);
    assertThrows(() => sparsifiner({ weights: [] }), TypeError, `no "weights"`);
    assertThrows(
      () => sparsifiner({ weights: [weights, {} as SparsifinerPredictor] }),
      TypeError,
      `no "weights"`,
    );
    const wrong: Partial<SparsifinerOptions>[] = [
      { attnKeepRate: 0 },
      { attnKeepRate: 1.1 },
      { attnKeepRate: NaN },
      { coefTopk: 0 },
      { coefTopk: 1.5 },
      { coefThreshold: NaN },
      { scoreThreshold: -1 },
      { basisThreshold: Infinity },
    ];
    for (const options of wrong) {
      assertThrows(() => sparsifiner({ weights, ...options }), RangeError, Object.keys(options)[0]!);
    }
  });
});
