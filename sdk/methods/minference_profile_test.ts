import { describe, test } from "node:test";
import { assertEquals, assertThrows } from "../testing/assert.ts";
import { minference, type MInferenceProfile } from "./minference.ts";

const FILE: MInferenceProfile["layers"] = [
  { "0": ["vertical_and_slash", 1000, 6096, 0.98], "2": ["stream_llm", 100, 800, 1] },
  { "1": ["block_sparse", 100, 1, 0.7] },
];

describe("minference.load()", () => {
  test("reads an official file when it is text or parsed", () => {
    const expected = { heads: 3, layers: FILE };
    assertEquals(minference.load(JSON.stringify(FILE), { heads: 3, layers: 2 }), expected);
    assertEquals(minference.load(FILE, { heads: 3, layers: 2, model: "any" }), expected);
  });

  test("reads a profile of its own as it was written", () => {
    const profile: MInferenceProfile = {
      model: "tiny",
      length: 30000,
      criterion: "recall",
      date: "2025-01-31",
      heads: 3,
      layers: FILE,
    };
    const text = JSON.stringify(profile);
    assertEquals(minference.load(text, { heads: 3, layers: 2, model: "tiny" }), profile);
  });

  test("refuses a profile of another model, layer count or head count", () => {
    const profile = { model: "tiny", heads: 3, layers: FILE };
    const wrong = [
      { heads: 3, layers: 2, model: "other" },
      { heads: 3, layers: 3 },
      { heads: 4, layers: 2 },
      { heads: 2, layers: 2 },
    ];
    for (const options of wrong) assertThrows(() => minference.load(profile, options), RangeError);
    assertThrows(() => minference.load(FILE, { heads: 2, layers: 2 }), RangeError, 'head "2"');
  });

  test("refuses what is not a profile", () => {
    assertThrows(() => minference.load("[{", { heads: 1, layers: 1 }), SyntaxError);
    const wrong: unknown[] = [
      null,
      7,
      {},
      { layers: 3 },
      [null],
      [[["stream_llm"]][0]],
      [{ "0": "stream_llm" }],
      [{ "0": ["other", 1, 2] }],
      [{ "0": ["stream_llm", 1, 2, "good"] }],
      { layers: [{}], model: 3 },
      { layers: [{}], length: "long" },
      { layers: [{}], criterion: "best" },
    ];
    for (const json of wrong) {
      assertThrows(() => minference.load(json, { heads: 1, layers: 1 }), TypeError, "MInference");
    }
  });

  test("refuses sizes and heads that are out of range", () => {
    const wrong: unknown[] = [
      { "0": ["stream_llm", -1, 2] },
      { "0": ["stream_llm", 1.5, 2] },
      { "0": ["stream_llm", 1] },
      { "0": ["block_sparse", 0, 1] },
      { "x": ["stream_llm", 1, 2] },
      { "-1": ["stream_llm", 1, 2] },
      { "1": ["stream_llm", 1, 2] },
    ];
    for (const layer of wrong) {
      assertThrows(() => minference.load([layer], { heads: 1, layers: 1 }), RangeError);
    }
  });
});
