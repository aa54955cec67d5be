import fc from "fast-check";
import { describe, test } from "node:test";
import { assertEquals, assertThrows } from "../testing/assert.ts";
import { readCsv } from "./read_csv.ts";
import { writeCsv } from "./write_csv.ts";

describe("writeCsv()", () => {
  test("writeCsv() quotes cells only when they need it", () => {
    const text = writeCsv({
      columns: ["a b", "c,d"],
      rows: [["x", 'say "hi"'], [1.5, "two\nlines"], [true, " edge"], [null, NaN]],
    });
    assertEquals(text, 'a b,"c,d"\nx,"say ""hi"""\n1.5,"two\nlines"\ntrue," edge"\n,\n');
  });

  test("writeCsv() keeps a row of one missing cell readable", () => {
    assertEquals(readCsv(writeCsv({ columns: ["a"], rows: [[null], [1]] })).rows, [[null], [1]]);
  });

  test("writeCsv() refuses a row of another width", () => {
    assertThrows(() => writeCsv({ columns: ["a", "b"], rows: [[1]] }), RangeError);
  });

  test("readCsv() gives back what writeCsv() wrote", () => {
    const word = fc.string({ unit: "grapheme", maxLength: 8 })
      .filter((s) => !["", "NA", "N/A", "NaN", "nan", "null", "NULL"].includes(s));
    const row = fc.tuple(
      fc.option(fc.double({ noNaN: true }).filter((x) => !/^-?\d{16,}$/.test(String(x))).map((x) => x + 0), {
        nil: null,
      }),
      fc.option(fc.boolean(), { nil: null }),
      fc.option(word, { nil: null }),
    );
    fc.assert(
      fc.property(fc.array(row, { maxLength: 12 }), (rows) => {
        const types = { n: "number", b: "boolean", t: "text" } as const;
        assertEquals(readCsv(writeCsv({ columns: ["n", "b", "t"], rows }), { types }).rows, rows);
      }),
      { seed: 1, numRuns: 300 },
    );
  });
});
