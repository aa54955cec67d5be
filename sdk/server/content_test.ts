import { describe, test } from "node:test";
import { assertEquals } from "../testing/assert.ts";
import { wantsCsv } from "./content.ts";

describe("wantsCsv()", () => {
  const cases: [accept: string | undefined, expected: boolean][] = [
    [undefined, false],
    ["", false],
    ["*/*", false],
    ["text/*", false],
    ["text/csv", true],
    ["TEXT/CSV ; header=present", true],
    ["text/csv, */*;q=0.1", true],
    ["application/json, text/csv", false],
    ["application/json;q=0.5, text/csv", true],
    ["text/csv;q=0.4, application/json;q=0.5", false],
    ["text/csv;q=0", false],
    ["text/csvx", false],
  ];
  for (const [accept, expected] of cases) {
    test(`wantsCsv() is ${expected} for ${accept === undefined ? "no header" : `"${accept}"`}`, () => {
      assertEquals(wantsCsv(accept), expected);
    });
  }
});
