import { describe, test } from "node:test";
import { assertEquals, assertThrows } from "../testing/assert.ts";
import { type ChannelSource, labelChannels, layersOf, profileKey } from "./double_sparsity_profile.ts";
import { doubleSparsity } from "./double_sparsity.ts";

const { parseProfile, permuteInterleaved } = doubleSparsity;
const Q = "model.layers.0.self_attn.q_proj";

describe("doubleSparsity.parseProfile()", () => {
  test("reads the text of an official file and leaves out keys that it does not know", () => {
    const text = `{"${Q}": [[1, 0], [0, 1]], "model.layers.12.self_attn.k_proj": [[0, 1]],
      "model.layers.0.self_attn.v_proj": "?", "model.layers.01.self_attn.q_proj": 5, "config": {}}`;
    const profile = parseProfile(text);
    assertEquals(profile, { [Q]: [[1, 0], [0, 1]], "model.layers.12.self_attn.k_proj": [[0, 1]] });
    assertEquals(layersOf(profile), 2);
  });

  const REFUSED: Readonly<Record<string, readonly [unknown, ErrorConstructor, string]>> = {
    "text that is not JSON": ["{", SyntaxError, "it is not JSON"],
    "a number": [5, TypeError, "not an object"],
    "null": ["null", TypeError, "not an object"],
    "an object without lists": [
      { q_proj: [[0]] },
      TypeError,
      'no key like "model.layers.0.self_attn.qk_proj"',
    ],
    "a list of numbers": [{ [Q]: [0, 1] }, TypeError, "not a list of lists"],
    "channels that are not whole": [{ [Q]: [[0.5]] }, TypeError, "not a list of lists"],
    "channels as text": [{ [Q]: [["0"]] }, TypeError, "not a list of lists"],
    "a channel below 0": [{ [Q]: [[0], [1, -1]] }, RangeError, "below 0 or twice in head 1"],
    "a channel that comes twice": [{ [Q]: [[2, 1, 2]] }, RangeError, "below 0 or twice in head 0"],
  };
  for (const [what, [json, error, message]] of Object.entries(REFUSED)) {
    test(`refuses ${what}`, () => {
      assertThrows(() => parseProfile(json), error, message);
    });
  }
});

describe("labelChannels()", () => {
  const shape = { queryHeads: 4, heads: 2, headDim: 8 };
  const lists = (rows: number): number[][] => Array.from({ length: rows }, (_, h) => [h, 7, 6, 5]);
  const choose = (rows: number, source: ChannelSource, shared = false) =>
    labelChannels({ [profileKey(0, source)]: lists(rows) }, { layer: 0, source, shared, count: 2 }, shape);

  test("takes the first channels of every query head", () => {
    assertEquals(choose(4, "q"), [[0, 7], [1, 7], [2, 7], [3, 7]]);
  });

  test("gives query heads the ranking of their key head where it is by keys", () => {
    assertEquals(choose(2, "k"), [[0, 7], [0, 7], [1, 7], [1, 7]]);
    // Older files repeat the rows.
    assertEquals(choose(4, "k"), [[0, 7], [1, 7], [2, 7], [3, 7]]);
  });

  test("gives key heads the ranking by keys, or by the sum over their queries where there is one", () => {
    assertEquals(choose(2, "k", true), [[0, 7], [1, 7]]);
    assertEquals(choose(4, "k", true), [[0, 7], [2, 7]]);
    const choice = { layer: 0, source: "qk", shared: true, count: 1 } as const;
    const official = { [profileKey(0, "qk")]: lists(4), [profileKey(0, "k")]: [[5], [4]] };
    assertEquals(labelChannels(official, choice, shape), [[5], [4]]);
    const ours = { ...official, [profileKey(0, "qk_group")]: [[3], [2]] };
    assertEquals(labelChannels(ours, choice, shape), [[3], [2]]);
    const perHead = { ...shape, heads: 4 };
    assertEquals(labelChannels(official, choice, perHead), [[0], [1], [2], [3]]);
  });

  test("refuses the profile of another model", () => {
    assertThrows(() => choose(2, "q"), RangeError, "has 2 heads, expected 4");
    assertThrows(() => choose(3, "k"), RangeError, "has 3 heads, expected 2 or 4");
    const choice = { layer: 0, source: "q", shared: false, count: 2 } as const;
    const refused = (rows: number[][], message: string): void => {
      assertThrows(() => labelChannels({ [Q]: rows }, choice, shape), RangeError, message);
    };
    refused([[0, 1], [0, 1], [0, 8], [0, 1]], "channel 8 in head 2, expected numbers below 8");
    refused([[0, 1], [0, 1], [0, 1], [0]], "1 channels in head 3, expected at least 2");
    assertThrows(
      () => labelChannels({ [Q]: lists(4) }, { ...choice, layer: 1 }, shape),
      RangeError,
      "it has no",
    );
  });
});

describe("doubleSparsity.permuteInterleaved()", () => {
  test("moves the pair (i, i + D / 2) to (2i, 2i + 1)", () => {
    assertEquals(permuteInterleaved({ [Q]: [[0, 3, 1, 4, 2, 5]] }, 6), { [Q]: [[0, 1, 2, 3, 4, 5]] });
  });

  test("throws a RangeError for an odd width", () => {
    assertThrows(() => permuteInterleaved({ [Q]: [[0]] }, 5), RangeError, '"headDim" is 5');
  });
});
