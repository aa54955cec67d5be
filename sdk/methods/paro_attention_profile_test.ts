import { describe, test } from "node:test";
import { assertEquals, assertThrows } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { DEVICES, keys, queries } from "./_test_heads.ts";
import { GRID, headsFor, randomProfile } from "./_test_paro.ts";
import { paroAttention } from "./paro_attention.ts";
import { type ParoProfile, parseParoProfile, writeParoProfile } from "./paro_attention_profile.ts";

describe("profiles of paroAttention()", () => {
  const device = DEVICES["reference"]!;
  const profile = randomProfile(random(4), GRID, [2, 3]);
  const heads = headsFor(GRID, 2);

  test("survive a file", () => {
    const file = writeParoProfile(profile);
    assertEquals(parseParoProfile(file), profile);
    paroAttention({ profile: file });
  });

  test("of another grid, model or step are refused", () => {
    using d = device.scope();
    const [q, k] = [queries(d, heads), keys(d, heads)];
    const plan = (own: ParoProfile, more = {}): unknown =>
      paroAttention({ profile: own, ...more }).plan(d, q, k);
    const other = randomProfile(random(4), { ...GRID, dims: [3, 4, 6] }, [2, 3]);
    assertThrows(() => plan(other), RangeError, "grid does not match");
    assertThrows(
      () => plan(randomProfile(random(4), { ...GRID, textLen: 99 }, [2, 3])),
      RangeError,
      "text alone",
    );
    assertThrows(() => plan(randomProfile(random(4), GRID, [2, 3, 4])), RangeError, "another model");
    assertThrows(() => plan(profile, { layer: 1 }), RangeError, "another model");
    assertThrows(() => plan(profile, { step: 2 }), RangeError, "2 steps");
  });

  test("that are broken are refused", () => {
    assertThrows(() => paroAttention(), TypeError, "missing");
    const broken: readonly (readonly [object, string])[] = [
      [{ version: 2 }, "version"],
      [{ dims: [3, 4] }, "dims"],
      [{ dims: [3, 0, 5] }, "dims[1]"],
      [{ order: [[6, 0]] }, "order[0][0]"],
      [{ maskOfStep: [] }, "maskOfStep"],
      [{ maskOfStep: [0, 2] }, "bytes of masks"],
      [{ masks: profile.masks.subarray(1) }, "bytes of masks"],
      [{ masks: [1, 2] }, "not bytes"],
    ];
    for (const [change, says] of broken) {
      assertThrows(() => parseParoProfile({ ...profile, ...change } as ParoProfile), Error, says);
    }
    assertThrows(() => parseParoProfile(new Uint8Array(9)), SyntaxError, "no header");
    assertThrows(() => parseParoProfile(new TextEncoder().encode("{,}\n")), SyntaxError, "not JSON");
  });
});
