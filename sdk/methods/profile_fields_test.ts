import { describe, test } from "node:test";
import { assertEquals, assertThrows } from "../testing/assert.ts";
import { list, listField, numberField, readFields, whole, wholeField } from "./profile_fields.ts";

describe("profile fields", () => {
  const what = "this profile";

  test("read numbers and lists of text or of objects", () => {
    const fields = readFields(what, `{"version": 1, "F": 8, "r": 0.5, "rows": [[1], [2, 3]]}`);
    assertEquals([wholeField(fields, "F", 1), numberField(fields, "r")], [8, 0.5]);
    const rows = listField(
      fields,
      "rows",
      (row, at) => list(what, at, row, (one, place) => whole(what, place, one)),
    );
    assertEquals(rows, [[1], [2, 3]]);
  });

  test("say what is wrong and where", () => {
    assertThrows(() => readFields(what, "{"), SyntaxError, "not JSON");
    for (const json of ["3", "[]", null]) {
      assertThrows(() => readFields(what, json), TypeError, "not an object");
    }
    assertThrows(() => readFields(what, { version: 2 }), RangeError, "version 2");
    const fields = readFields(what, { F: 0.5, low: 1, text: "8", none: null, rows: [[1], [-1]] });
    assertThrows(() => wholeField(fields, "F"), RangeError, `"F" is 0.5`);
    assertThrows(() => wholeField(fields, "low", 2), RangeError, "at least 2");
    assertThrows(() => numberField(fields, "text"), TypeError, `"text" is "8"`);
    assertThrows(() => numberField(fields, "absent"), TypeError, `"absent"`);
    assertThrows(() => listField(fields, "none", String), TypeError, `"none" is not a list`);
    const rows = (): unknown =>
      listField(
        fields,
        "rows",
        (row, at) => list(what, at, row, (one, place) => whole(what, place, one, 0, 4)),
      );
    assertThrows(rows, RangeError, `"rows[1][0]" is -1, expected a whole number from 0 to 4`);
  });
});
