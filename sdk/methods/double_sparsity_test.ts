import { describe, test } from "node:test";
import type { Device } from "../device/device.ts";
import { assertEquals, assertNotEquals, assertThrows } from "../testing/assert.ts";
import { type Random, random } from "../testing/random.ts";
import {
  assertBest,
  assertValid,
  type OracleOptions,
  type OracleSample,
  oracleScores,
} from "./_double_sparsity_test_oracle.ts";
import { assertDense, DEVICES } from "./_test_heads.ts";
import { doubleSparsity, type DoubleSparsityOptions } from "./double_sparsity.ts";
import {
  type DoubleSparsityProfile,
  labelChannels,
  permuteInterleaved,
  profileKey,
} from "./double_sparsity_profile.ts";
import type { Selection } from "./selector.ts";

type Sizes = readonly [queryHeads: number, heads: number, headDim: number, length: number];

function sampleOf(r: Random, [queryHeads, heads, headDim, length]: Sizes): OracleSample {
  const [q, k] = [r.normals(queryHeads * headDim), r.normals(heads * length * headDim)];
  return { queryHeads, heads, headDim, length, q, k };
}

/** Random rankings of layer 0. */
function profileOf(r: Random, { queryHeads, heads, headDim }: Omit<OracleSample, "q" | "k" | "length">) {
  const lists = (count: number): number[][] =>
    Array.from({ length: count }, () => r.shuffle(Array.from({ length: headDim }, (_, c) => c)));
  return {
    [profileKey(0, "q")]: lists(queryHeads),
    [profileKey(0, "k")]: lists(heads),
    [profileKey(0, "qk")]: lists(queryHeads),
    [profileKey(0, "qk_group")]: lists(heads),
  };
}

function start(d: Device, sample: OracleSample, options: Partial<DoubleSparsityOptions>): Selection {
  return doubleSparsity(options).start(d, { ...sample, layer: 0 });
}

/** Tokens from `first` to before `end`, of every head. */
function append(d: Device, selection: Selection, sample: OracleSample, first = 0, end = sample.length): void {
  const { heads, headDim, length, k } = sample;
  const rows = new Float32Array(heads * (end - first) * headDim);
  for (let g = 0; g < heads; g++) {
    rows.set(
      k.subarray((g * length + first) * headDim, (g * length + end) * headDim),
      g * (end - first) * headDim,
    );
  }
  using scope = d.scope();
  selection.append(scope.tensor(rows, [heads, end - first, headDim]));
}

async function choose(
  d: Device,
  selection: Selection,
  { q, queryHeads, headDim }: OracleSample,
  length: number,
): Promise<Int32Array | undefined> {
  using scope = d.scope();
  return await selection.choose(scope, scope.tensor(q, [queryHeads, headDim]), length)?.list?.read("i32");
}

const CASES:
  readonly (readonly [Sizes, Partial<DoubleSparsityOptions> & { labelChannels: number; tokens: number }])[] =
    [
      [[4, 4, 32, 384], {
        labelChannels: 8,
        labelBits: 4,
        tokens: 48,
        forceLast: false,
        quantiseQuery: true,
      }],
      [[8, 1, 16, 300], { labelChannels: 4, labelBits: 8, tokens: 20 }],
      [[8, 2, 64, 130], { labelChannels: 16, labelBits: 4, tokens: 8, shared: true }],
      [[6, 2, 24, 77], {
        labelChannels: 5,
        labelBits: 8,
        tokens: 76,
        quantiseQuery: true,
        channelSource: "k",
      }],
      [[6, 3, 24, 77], {
        labelChannels: 8,
        labelBits: 8,
        tokens: 9,
        shared: true,
        channelSource: "k",
        forceLast: false,
      }],
      [[3, 1, 20, 515], { labelChannels: 6, labelBits: 16, tokens: 33, channelSource: "q" }],
      [[4, 2, 16, 90], { labelChannels: 16, labelBits: 16, tokens: 1, shared: true, quantiseQuery: true }],
      [[2, 2, 8, 257], { labelChannels: 1, labelBits: 8, tokens: 5 }],
    ];

for (const [name, device] of Object.entries(DEVICES)) {
  describe(`doubleSparsity() on ${name}`, () => {
    test("lists the tokens whose labels score best", async () => {
      const r = random(1);
      for (const [sizes, given] of CASES) {
        using d = device.scope();
        const sample = sampleOf(r, sizes);
        const profile = profileOf(r, sample);
        const { channelSource: source = "qk", shared = false, labelChannels: count } = given;
        const channels = labelChannels(profile, { layer: 0, source, shared, count }, sample);
        using selection = start(d, sample, { profile, ...given });
        append(d, selection, sample);
        const list = await choose(d, selection, sample, sample.length);
        assertEquals(list?.length, channels.length * given.tokens);
        assertBest(list!, sample, { ...doubleSparsity.defaults, ...given, channels });
      }
    });

    test("reads everything until a cache has more tokens than a list", async () => {
      using d = device.scope();
      const r = random(2);
      const sample = sampleOf(r, [2, 1, 16, 34]);
      const profile = profileOf(r, sample);
      using fixed = start(d, sample, { profile, labelChannels: 4, tokens: 33 });
      using share = start(d, sample, { profile, labelChannels: 4, tokenRatio: 0.25 });
      for (const selection of [fixed, share]) append(d, selection, sample);
      assertEquals(await choose(d, fixed, sample, 33), undefined);
      assertEquals((await choose(d, fixed, sample, 34))?.length, 2 * 33);
      assertEquals(await choose(d, share, sample, 1), undefined);
      assertEquals((await choose(d, share, sample, 34))?.length, 2 * 9);
    });

    test("gives the same lists however keys are appended, truncated and forked", async () => {
      for (const labelBits of [4, 8, 16] as const) {
        using d = device.scope();
        const r = random(3);
        const sample = sampleOf(r, [4, 2, 16, 700]);
        const other = { ...sampleOf(r, [4, 2, 16, 700]), q: sample.q };
        const options = { profile: profileOf(r, sample), labelChannels: 4, labelBits, tokens: 40 };
        using whole = start(d, sample, options);
        append(d, whole, sample);
        using parts = start(d, sample, options);
        // Over the first chunk of memory one by one, then beyond it at once.
        append(d, parts, sample, 0, 254);
        for (let t = 254; t < 259; t++) append(d, parts, sample, t, t + 1);
        using early = parts.fork();
        append(d, parts, sample, 259, 640);
        append(d, parts, other, 640, 700);
        const strayed = await choose(d, parts, sample, 700);
        parts.truncate(640);
        append(d, parts, sample, 640, 700);
        append(d, early, other, 259, 700);

        const expected = await choose(d, whole, sample, 700);
        assertEquals(await choose(d, parts, sample, 700), expected);
        assertNotEquals(strayed, expected);
        assertNotEquals(await choose(d, early, sample, 700), expected);
        assertEquals(await choose(d, early, sample, 259), await choose(d, whole, sample, 259));
      }
    });

    test("prefers the earlier of tokens that score alike", async () => {
      using d = device.scope();
      const r = random(4);
      const one = sampleOf(r, [2, 1, 16, 1]);
      // The second half of the tokens repeats the first; then labels that are all equal, whose range is 0.
      const twice = { ...sampleOf(r, [2, 1, 16, 60]) };
      twice.k.copyWithin(30 * 16, 0, 30 * 16);
      const profile = profileOf(r, one);
      for (const forceLast of [false, true]) {
        const options = { profile, labelChannels: 4, tokens: 7, forceLast };
        using halves = start(d, twice, options);
        append(d, halves, twice);
        const list = (await choose(d, halves, twice, 60))!;
        for (const own of [list.subarray(0, 7), list.subarray(7)]) {
          const named = new Set(own);
          assertEquals([...own].filter((t) => t >= 30 && t < 59 && !named.has(t - 30)), []);
        }
        using equal = start(d, one, options);
        const constant = { ...one, length: 50, k: new Float32Array(50 * 16).fill(0.3) };
        append(d, equal, constant);
        const rest = forceLast ? [49, 0, 1, 2, 3, 4, 5] : [0, 1, 2, 3, 4, 5, 6];
        assertEquals([...(await choose(d, equal, constant, 50))!], [...rest, ...rest]);
      }
    });

    test("lists different tokens of the cache where keys or queries are not finite", async () => {
      for (const labelBits of [4, 8, 16] as const) {
        using d = device.scope();
        const r = random(5);
        const sample = sampleOf(r, [4, 2, 8, 40]);
        const options = { profile: profileOf(r, sample), labelChannels: 4, labelBits, tokens: 6 };
        for (const at of r.ints(40, 0, sample.k.length)) {
          sample.k[at] = r.pick([NaN, Infinity, -Infinity, 3e38]);
        }
        for (const q of [sample.q, sample.q.map((value, i) => i % 3 === 0 ? NaN : value)]) {
          using selection = start(d, sample, options);
          append(d, selection, sample);
          assertValid((await choose(d, selection, { ...sample, q }, 40))!, 40, 6);
        }
      }
    });

    test("lists a token that has no label yet where it is read anyway", async () => {
      using d = device.scope();
      const r = random(6);
      const sample = sampleOf(r, [2, 2, 16, 60]);
      const options = { profile: profileOf(r, sample), labelChannels: 4, tokens: 5 };
      using selection = start(d, sample, options);
      append(d, selection, sample, 0, 59);
      using whole = start(d, sample, options);
      append(d, whole, sample);
      assertEquals(await choose(d, selection, sample, 60), await choose(d, whole, sample, 60));
      using free = start(d, sample, { ...options, forceLast: false });
      append(d, free, sample, 0, 59);
      const query = d.tensor(sample.q, [2, 16]);
      assertThrows(() => free.choose(d, query, 60), RangeError, "59 of 60 tokens have labels");
      assertThrows(() => selection.choose(d, query, 61), RangeError, "59 of 61 tokens have labels");
    });

    test("gives back what it takes", async () => {
      const before = device.report;
      using d = device.scope();
      const r = random(7);
      const sample = sampleOf(r, [4, 2, 32, 300]);
      const selection = start(d, sample, { profile: profileOf(r, sample), labelChannels: 8, tokens: 20 });
      append(d, selection, sample);
      await choose(d, selection, sample, 300);
      // 512 tokens of 4 lists: 8 codes of 4 bits, step and minimum; and two index tables.
      assertEquals(selection.bytes, 512 * 4 * (4 + 8) + 2 * 4 * 8 * 4);
      assertEquals(device.report.bytes - before.bytes, selection.bytes);
      const copy = selection.fork();
      assertEquals(copy.bytes, selection.bytes);
      copy.dispose();
      selection.dispose();
      assertEquals(device.report.tensors, before.tensors);
    });
  });
}

describe("doubleSparsity()", () => {
  const device = DEVICES["reference"]!;
  const lists = (rows: number): number[][] => Array.from({ length: rows }, () => [3, 1, 0, 2]);
  const profile = { [profileKey(0, "qk")]: lists(2) };
  const shape = { queryHeads: 2, heads: 2, headDim: 4, layer: 0 };

  test("plans dense attention for the prompt", async () => {
    await assertDense(device, doubleSparsity({ profile }));
  });

  test("keeps nothing beside the caches of dense layers", () => {
    using d = device.scope();
    const model = Object.fromEntries([0, 1, 2].map((layer) => [profileKey(layer, "qk"), lists(2)]));
    const bytes = (options: Partial<DoubleSparsityOptions>): number[] =>
      [0, 1, 2].map((layer) => {
        const selection = doubleSparsity({ profile: model, labelChannels: 2, ...options }).start(d, {
          ...shape,
          layer,
        });
        selection.append(d.tensor(new Float32Array(2 * 9 * 4), [2, 9, 4]));
        return selection.fork().bytes;
      });
    assertEquals(bytes({}).map((size) => size > 0), [false, false, true]);
    assertEquals(bytes({ denseLayers: [2] }).map((size) => size > 0), [true, true, false]);
    // A profile of one layer is not a model whose first layers are dense.
    using only = doubleSparsity({ profile, labelChannels: 2 }).start(d, shape);
    assertEquals(only.bytes > 0, true);
  });

  test("uses the layer of the profile that an option names", () => {
    const third = { [profileKey(3, "qk")]: lists(2) };
    using d = device.scope();
    using _selection = doubleSparsity({ profile: third, layer: 3, labelChannels: 2 }).start(d, shape);
    assertThrows(
      () => doubleSparsity({ profile: third, labelChannels: 2 }).start(d, shape),
      RangeError,
      'it has no "model.layers.0.self_attn.qk_proj"',
    );
  });

  test("finds far less with the channels of another head or of another rotary layout", async () => {
    const r = random(8);
    const [heads, headDim, length, tokens] = [4, 32, 512, 32];
    // Every head has four channels of its own that matter.
    const strong = Array.from(
      { length: heads },
      (_, h) => r.shuffle([...Array(8).keys()].map((c) => 8 * (c % 4) + 2 * h + c % 2)).slice(0, 4),
    );
    const loud = (rows: number): Float32Array<ArrayBuffer> => {
      const x = r.normals(heads * rows * headDim, 0.3);
      x.forEach((_, i) => {
        if (strong[Math.floor(i / headDim / rows)]!.includes(i % headDim)) x[i]! *= 10;
      });
      return x;
    };
    using d = device.scope();
    const [q, k] = [loud(200), loud(200)].map((x) => d.tensor(x, [heads, 200, headDim]));
    const calibrated = await doubleSparsity.calibrate(d, { q: q!, k: k! });
    const sample = { queryHeads: heads, heads, headDim, length, q: loud(1), k: loud(length) };
    const all = Array.from({ length: heads }, () => [...Array(headDim).keys()]);
    const exact: OracleOptions = {
      channels: all,
      labelBits: 16,
      quantiseQuery: false,
      forceLast: false,
      tokens,
    };
    const best = oracleScores(sample, exact).map((scores) => {
      const threshold = scores.toSorted().at(-tokens)!;
      return new Set(scores.keys().filter((t) => scores[t]! >= threshold));
    });
    const recall = async (used: DoubleSparsityProfile): Promise<number> => {
      using selection = start(d, sample, { profile: used, labelChannels: 4, tokens, forceLast: false });
      append(d, selection, sample);
      const list = (await choose(d, selection, sample, length))!;
      return list.filter((t, i) => best[Math.floor(i / tokens)]!.has(t)).length / list.length;
    };
    const key = profileKey(0, "qk");
    const rows = calibrated[key]!;
    assertEquals(await recall(calibrated) > 0.8, true);
    assertEquals(await recall({ [key]: [...rows.slice(1), rows[0]!] }) < 0.4, true);
    assertEquals(await recall(permuteInterleaved(calibrated, headDim)) < 0.4, true);
  });

  const REFUSED: Readonly<Record<string, readonly [Partial<DoubleSparsityOptions>, string]>> = {
    "label bits that are none": [{ labelBits: 2 as 4 }, '"labelBits" is 2'],
    "an odd number of label channels of 4 bits": [{ labelChannels: 3 }, "an even number"],
    "no label channels": [{ labelChannels: 0 }, '"labelChannels" is 0'],
    "no tokens": [{ tokens: 0 }, '"tokens" is 0'],
    "a share of tokens above 1": [{ tokenRatio: 1.5 }, '"tokenRatio" is 1.5'],
    "a share of channels that is not a number": [{ channelRatio: NaN }, '"channelRatio" is NaN'],
    "an unknown source of channels": [{ channelSource: "v" as "q" }, '"channelSource" is v'],
    "a dense layer below 0": [{ denseLayers: [0, -1] }, '"denseLayers" is 0,-1'],
    "a layer that is not whole": [{ layer: 0.5 }, '"layer" is 0.5'],
  };
  for (const [what, [options, message]] of Object.entries(REFUSED)) {
    test(`throws a RangeError for ${what}`, () => {
      assertThrows(() => doubleSparsity({ profile, ...options }), RangeError, message);
    });
  }

  test("throws a TypeError without a profile", () => {
    assertThrows(() => doubleSparsity(), TypeError, '"profile" is missing');
  });

  test("throws a RangeError for more label channels than the profile has", () => {
    const { start } = doubleSparsity({ profile, labelChannels: 6 });
    assertThrows(() => start(device, shape), RangeError, "has 4 channels in head 0, expected at least 6");
  });
});
