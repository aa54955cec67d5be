import { describe, test } from "node:test";
import { assertEquals, assertThrows } from "../testing/assert.ts";
import { mminference } from "./mminference.ts";

const head = { inter: "q", q0: { type: "dense" }, q1: { type: "a_shape", init: 4, local: 8 } };
const profile = { model: "m", length: 9, date: "2025-01-01", heads: 2, layers: [[head, head], [head, head]] };
const fits = { heads: 2, layers: 2 };

function refused(changes: object, kind: ErrorConstructor, message: string, model = "m"): void {
  assertThrows(() => mminference.load({ ...profile, ...changes }, { ...fits, model }), kind, message);
}

describe("mminference.load()", () => {
  test("reads text and what was parsed of it, and leaves out what it does not know", () => {
    assertEquals(mminference.load(JSON.stringify(profile), fits), mminference.load(profile, fits));
    const { layers } = mminference.load(
      { ...profile, layers: [[{ ...head, note: 1 }, head], [head, head]] },
      fits,
    );
    assertEquals(layers, profile.layers as unknown as typeof layers);
  });

  test("refuses a profile of another model, head count or depth", () => {
    refused({}, RangeError, 'for the model "m", expected "other"', "other");
    refused({ heads: 4 }, RangeError, "2 layers of 4 heads, the model has 2 of 2");
    refused({ layers: [[head, head]] }, RangeError, "1 layers of 2 heads");
    refused({ layers: [[head, head], [head]] }, RangeError, "layer 1 has 1 heads, expected 2");
  });

  test("refuses what is not a profile", () => {
    assertThrows(() => mminference.load("{", fits), SyntaxError, "not JSON");
    assertThrows(() => mminference.load("[]", fits), TypeError, "expected an object");
    refused({ layers: [head] }, TypeError, "no lists of heads");
    refused({ model: 1 }, TypeError, '"model" is 1, expected a string');
    refused(
      { layers: [[head, { inter: "q", q0: { type: "x" } }], [head, head]] },
      RangeError,
      '"q0" of head 1',
    );
  });
});
