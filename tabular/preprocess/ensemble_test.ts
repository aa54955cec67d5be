import { describe, test } from "node:test";
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "../../sdk/testing/assert.ts";
import { averageMembers } from "./average.ts";
import { ensembleMembers, type FeatureShuffle, memberBatches } from "./ensemble.ts";

describe("ensembleMembers()", () => {
  test("gives permutations and no member twice", () => {
    for (const featShuffleMethod of ["none", "shift", "random", "latin"] as const) {
      for (const [features, classes] of [[1, 1], [1, 3], [2, 2], [5, 4], [6, 2], [40, 10]] as const) {
        const members = ensembleMembers(features, classes, { featShuffleMethod });
        assert(members.length >= 1 && members.length <= 32);
        for (const { pattern } of members) {
          assertEquals([...pattern].sort((a, b) => a - b), Array.from(pattern.keys()));
        }
        const keys = members.map(({ norm, pattern, classShift }) => `${norm} ${pattern} ${classShift}`);
        assertEquals(new Set(keys).size, keys.length);
      }
    }
  });

  test("gives one plain member when one is asked for", () => {
    const [member, ...rest] = ensembleMembers(3, 2, { nEstimators: 1 });
    assertEquals(rest, []);
    assertEquals(member, { norm: "none", pattern: Int32Array.of(0, 1, 2), classShift: 0 });
  });

  test("handles ten thousand features in under 5 seconds", () => {
    const start = performance.now();
    for (const featShuffleMethod of ["latin", "shift", "random"] as const) {
      assertEquals(ensembleMembers(10_000, 10, { featShuffleMethod }).length, 32);
    }
    assertEquals(ensembleMembers(4000, 10).length, 32);
    assert(performance.now() - start < 5000);
  });

  test("refuses numbers and names out of range", () => {
    assertThrows(() => ensembleMembers(0, 2), RangeError, "0 features");
    assertThrows(() => ensembleMembers(2, 1.5), RangeError, "1.5 classes");
    assertThrows(() => ensembleMembers(2, 2, { nEstimators: 0 }), RangeError);
    assertThrows(() => ensembleMembers(2, 2, { normMethods: [] }), RangeError);
    assertThrows(() => ensembleMembers(2, 2, { normMethods: ["l2" as never] }), TypeError, '"l2"');
    assertThrows(() => ensembleMembers(2, 2, { featShuffleMethod: "sorted" as FeatureShuffle }), TypeError);
  });
});

describe("memberBatches()", () => {
  const members = ensembleMembers(13, 3, { nEstimators: 20, normMethods: ["none", "power"] });

  test("splits each method in near-equal parts, larger first", () => {
    assertEquals(memberBatches(members, 4).map((batch) => batch.length), [4, 3, 3, 4, 3, 3]);
    assertEquals(memberBatches(members).map((batch) => batch.length), [5, 5, 5, 5]);
    assertEquals(memberBatches(members, null).map((batch) => batch.length), [10, 10]);
    assertEquals(memberBatches(members, 4).flat(), members);
    assertThrows(() => memberBatches(members, 0), RangeError);
  });
});

describe("averageMembers()", () => {
  test("undoes shifts, averages logits and applies the softmax", () => {
    const plain = averageMembers([{ values: [2, 1, 0], classShift: 0 }], 3);
    const shifted = averageMembers([{ values: [0, 2, 1], classShift: 1 }, {
      values: [1, 0, 2],
      classShift: 2,
    }], 3);
    assertEquals(shifted, plain);
    assertAlmostEquals(plain[0]! / plain[1]!, Math.exp(1 / 0.9), 1e-12);
    assertAlmostEquals(plain[0]! + plain[1]! + plain[2]!, 1, 1e-15);
  });

  test("averages probabilities by weight", () => {
    const outputs = [{ values: [1, 0, 0.5, 0.5], classShift: 0, weight: 3 }, {
      values: [1, 0, 0, 1],
      classShift: 1,
    }];
    const result = averageMembers(outputs, 2, { averageLogits: false });
    assertEquals([...result], [0.75, 0.25, 0.625, 0.375]);
  });

  test("survives large logits", () => {
    assertEquals([...averageMembers([{ values: [1e6, -1e6], classShift: 0 }], 2)], [1, 0]);
  });

  test("refuses sizes that do not fit", () => {
    assertThrows(() => averageMembers([], 2), RangeError);
    assertThrows(() => averageMembers([{ values: [1, 2, 3], classShift: 0 }], 2), RangeError);
    const outputs = [{ values: [1, 2], classShift: 0 }, { values: [1, 2, 3, 4], classShift: 0 }];
    assertThrows(() => averageMembers(outputs, 2), RangeError);
  });
});
