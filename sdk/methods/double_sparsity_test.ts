import { describe, test } from "node:test";
import { assertEquals, assertThrows } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { append, choose, start } from "./_double_sparsity_test_cache.ts";
import { type OracleOptions, oracleScores } from "./_double_sparsity_test_oracle.ts";
import { assertDense, DEVICES } from "./_test_heads.ts";
import { doubleSparsity, type DoubleSparsityOptions } from "./double_sparsity.ts";
import { type DoubleSparsityProfile, permuteInterleaved, profileKey } from "./double_sparsity_profile.ts";

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

  test("uses the layer of the cache, or that of an option where the cache tells none", () => {
    const third = { [profileKey(3, "qk")]: lists(2) };
    const options = { profile: third, labelChannels: 2, layer: 3 };
    using d = device.scope();
    using _selection = doubleSparsity(options).start(d, { ...shape, layer: undefined });
    using _other = doubleSparsity({ ...options, layer: 1 }).start(d, { ...shape, layer: 3 });
    assertThrows(
      () => doubleSparsity(options).start(d, shape),
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
