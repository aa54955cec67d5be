import { describe, test } from "node:test";
import { assert, assertEquals, assertStringIncludes, assertThrows } from "../testing/assert.ts";
import { readCsv } from "./read_csv.ts";

const message = (source: string | Uint8Array, options?: Parameters<typeof readCsv>[1]): string =>
  assertThrows(() => readCsv(source, options), SyntaxError).message;

describe("readCsv() types", () => {
  test("readCsv() makes a column numeric when every value is a plain decimal number", () => {
    const { types, rows } = readCsv("a,b,c\n1,-1.5e3,.5\n+2,,1.\n");
    assertEquals(types, ["number", "number", "number"]);
    assertEquals(rows, [[1, -1500, 0.5], [2, null, 1]]);
  });

  test("readCsv() keeps a column as text when one value is not a number", () => {
    const { types, rows } = readCsv("a,b,c,d\n1,0x10,1_000,1 2\n?,3,4,5\n");
    assertEquals(types, ["text", "text", "text", "text"]);
    assertEquals(rows, [["1", "0x10", "1_000", "1 2"], ["?", "3", "4", "5"]]);
  });

  test("readCsv() reads booleans when all values are true or false", () => {
    const { types, rows } = readCsv("a,b\nTRUE,true\nfalse,\nFalse,maybe\n");
    assertEquals(types, ["boolean", "text"]);
    assertEquals(rows, [[true, "true"], [false, null], [false, "maybe"]]);
  });

  test("readCsv() reads null when a cell is empty or a missing marker", () => {
    const { types, rows } = readCsv("a,b\n,x\nNA,N/A\nNaN,nan\nnull,NULL\n1,None\n");
    assertEquals(types, ["number", "text"]);
    assertEquals(rows, [[null, "x"], [null, null], [null, null], [null, null], [1, "None"]]);
  });

  test("readCsv() reads infinities when a numeric column has inf", () => {
    assertEquals(readCsv("a\ninf\n-Infinity\n1e400\n").rows, [[Infinity], [-Infinity], [Infinity]]);
  });

  test("readCsv() keeps digits exactly when a number would round them", () => {
    const { types, rows } = readCsv("a,b\n12345678901234567890,1\n2,2\n");
    assertEquals(types, ["text", "number"]);
    assertEquals(rows[0], ["12345678901234567890", 1]);
  });

  test("readCsv() obeys the types asked for", () => {
    const { types, rows } = readCsv("a,b\n007,1\n,2\n", { types: { a: "text", b: "text", z: "number" } });
    assertEquals(types, ["text", "text"]);
    assertEquals(rows, [["007", "1"], [null, "2"]]);
  });

  test("readCsv() refuses a cell that does not fit the type asked for", () => {
    const text = message("a,b\n1,1\n2,x\n", { types: { b: "number" } });
    assertStringIncludes(text, '"b" wants a number');
    assertStringIncludes(text, "row 2");
  });
});

describe("readCsv() format", () => {
  test("readCsv() reads quotes, doubled quotes, delimiters and line ends inside quotes", () => {
    const { columns, rows } = readCsv('"a ""q""","b,c"\n"x,y","1\n2\r\n3"\n"",""""\n');
    assertEquals(columns, ['a "q"', "b,c"]);
    assertEquals(rows, [["x,y", "1\n2\r\n3"], [null, '"']]);
  });

  for (const [name, end] of [["LF", "\n"], ["CRLF", "\r\n"], ["CR", "\r"]] as const) {
    test(`readCsv() reads lines when they end with ${name}`, () => {
      assertEquals(readCsv(["a,b", "1,x", "2,y", ""].join(end)).rows, [[1, "x"], [2, "y"]]);
    });
  }

  test("readCsv() reads lines when their ends are mixed", () => {
    assertEquals(readCsv("a,b\r\n1,x\n2,y\r\n3,z").rows, [[1, "x"], [2, "y"], [3, "z"]]);
  });

  test("readCsv() drops a byte order mark", () => {
    assertEquals(readCsv('\ufeff"a",b\n1,2').columns, ["a", "b"]);
    assertEquals(readCsv(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61, 0x0a, 0x31)).columns, ["a"]);
    assertEquals(readCsv(Uint8Array.of(0xff, 0xfe, 0x61, 0, 0x0a, 0, 0x31, 0)).rows, [[1]]);
  });

  test("readCsv() refuses bytes that are not text", () => {
    assertStringIncludes(message(Uint8Array.of(0x61, 0x0a, 0xff, 0xc0)), "UTF-8");
  });

  test("readCsv() drops white space around cells when it is outside of quotes", () => {
    const { columns, rows } = readCsv(' a ,\tb\n 1 , "x "\n');
    assertEquals(columns, ["a", "b"]);
    assertEquals(rows, [[1, "x "]]);
  });

  test("readCsv() skips blank lines", () => {
    assertEquals(readCsv('a\n1\n\n2\n""\n\n').rows, [[1], [2], [null]]);
  });

  test("readCsv() gives no rows when there is only a header", () => {
    assertEquals(readCsv("a,b\n"), { columns: ["a", "b"], types: ["number", "number"], rows: [] });
  });

  test("readCsv() names unnamed columns by their position", () => {
    assertEquals(readCsv(",a,\n1,2,3").columns, ["column 1", "a", "column 3"]);
  });

  test("readCsv() keeps NUL and names like __proto__ as plain text", () => {
    const { columns, rows } = readCsv("__proto__,constructor\n1\0,x\n", { types: {} });
    assertEquals(columns, ["__proto__", "constructor"]);
    assertEquals(rows, [["1\0", "x"]]);
  });

  test("readCsv() reads other delimiters when told", () => {
    assertEquals(readCsv("a\tb\n1\t2,5", { delimiter: "\t" }).rows, [[1, "2,5"]]);
  });
});

describe("readCsv() errors", () => {
  test("readCsv() names the line when a row is too short or too long", () => {
    assertStringIncludes(message("a,b\n1,2\n3\n"), "line 3 has 1 cell but the header has 2 cells");
    assertStringIncludes(message("a,b\n1,2,3\n"), "line 2 has 3 cells but the header has 2 cells");
  });

  test("readCsv() counts lines inside quotes and blank lines when a row is ragged", () => {
    assertStringIncludes(message('a,b\n"1\n2",3\n\n4\n'), "line 5 ");
    assertStringIncludes(message('a,b\r\n"1\r\n2",3\r\n\r\n4\r\n'), "line 5 ");
  });

  test("readCsv() says where the record starts when its quote is never closed", () => {
    assertStringIncludes(message('a,b\n1,2\n"3,4\n5,6\n7,8\n'), "starts on line 3");
    assertStringIncludes(message('"a,b\n'), "starts on line 1");
    assertStringIncludes(message('\ufeffä,b\r\n\r\n"1\r\n2",2\r\n\r\n"3,4\r\n'), "starts on line 6");
  });

  test("readCsv() names the line when a quote stands in the wrong place", () => {
    assertStringIncludes(message('a,b\n1"x,2\n'), "line 2 ");
    assertStringIncludes(message('a,b\n"1"x,2\n'), "line 2 ");
  });

  test("readCsv() refuses a column name that occurs twice", () => {
    assertStringIncludes(message("a,b,a\n1,2,3\n"), '"a" twice');
  });

  test("readCsv() refuses an empty file", () => {
    assertStringIncludes(message(""), "header");
    assertStringIncludes(message(new Uint8Array()), "header");
    assertStringIncludes(message("\n\r\n"), "header");
  });
});

describe("readCsv() sizes", () => {
  test("readCsv() reads a cell of 10 MB", () => {
    const cell = "x\n".repeat(5_000_000);
    assertEquals(readCsv(`a,b\n1,"${cell}"\n`).rows[0]?.[1] === cell, true);
  });

  test("readCsv() reads a million rows in reasonable time", () => {
    const text = "a,b,label\n" + "1.5,x,yes\n-2,,no\n".repeat(500_000);
    const start = performance.now();
    const { types, rows } = readCsv(text);
    assert(performance.now() - start < 30_000, "a million rows took over 30 s");
    assertEquals(rows.length, 1_000_000);
    assertEquals(types, ["number", "text", "text"]);
    assertEquals(rows.at(-1), [-2, null, "no"]);
  });

  test("readCsv() reads ten thousand columns", () => {
    const names = Array.from({ length: 10_000 }, (_, i) => `c${i}`);
    const { columns, rows } = readCsv(`${names.join(",")}\n${names.map((_, i) => i).join(",")}\n`);
    assertEquals(columns.length, 10_000);
    assertEquals(rows[0]?.[9_999], 9_999);
  });
});
