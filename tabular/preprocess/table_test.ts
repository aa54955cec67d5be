import { describe, test } from "node:test";
import { assert, assertEquals, assertStringIncludes, assertThrows } from "../../sdk/testing/assert.ts";
import { compareCodePoints } from "./code_points.ts";
import { fitEncoder, restoreEncoder } from "./encode.ts";
import { fitFrame } from "./frame.ts";
import { columnOf } from "./matrix.ts";
import { type Cell, readTable, type TableInput } from "./table.ts";

describe("readTable()", () => {
  test("reads rows of arrays, rows of objects, columns and typed arrays alike", () => {
    const inputs: TableInput[] = [
      [{ a: 1, b: "x" }, { b: null, a: 2 }],
      { a: [1, 2], b: ["x", null] },
      { a: Int16Array.of(1, 2), b: ["x", undefined] },
    ];
    for (const input of inputs) {
      const { rows, named, columns } = readTable(input);
      assertEquals([rows, named], [2, true]);
      assertEquals(columns[0]!.values, Float64Array.of(1, 2));
      assertEquals(columns[1]!.values, ["x", null]);
    }
    const byPlace = readTable([Float32Array.of(1, 2), [3, NaN]]);
    assertEquals([byPlace.named, byPlace.columns.map((column) => column.name)], [false, ["0", "1"]]);
    assertEquals(byPlace.columns[1]!.values, Float64Array.of(2, NaN));
    assertEquals(readTable([[1, 2]], { columns: ["a", "b"] }).named, true);
  });

  test("takes an absent key, undefined and a hole as missing", () => {
    // deno-lint-ignore no-sparse-arrays
    assertEquals(readTable({ a: [, 1, undefined] }).columns[0]!.values, Float64Array.of(NaN, 1, NaN));
    const { columns } = readTable([{ constructor: 1, a: 1 }, { a: 2 }] as Record<string, Cell>[]);
    assertEquals(columns[0]!.values, Float64Array.of(1, NaN));
  });

  test("takes __proto__ as a name like any other", () => {
    const rows = JSON.parse('[{"__proto__": 1, "a": 2}, {"a": 3}]');
    assertEquals(readTable(rows).columns.map((column) => column.name), ["__proto__", "a"]);
    assertEquals(readTable(rows).columns[0]!.values, Float64Array.of(1, NaN));
  });

  test("refuses empty tables", () => {
    for (const input of [[], [[]], [{}], {}, { a: [] }]) {
      assertThrows(() => readTable(input as TableInput), RangeError);
    }
  });

  test("refuses ragged rows and columns and says where", () => {
    assertThrows(() => readTable([[1, 2], [3]]), RangeError, "rows[1] has 1 cells, expected 2");
    assertThrows(() => readTable({ a: [1, 2], bee: [1] }), RangeError, '"bee" has 1 cells');
    assertThrows(() => readTable([[1, 2]], { columns: ["a"] }), RangeError, "one per column name");
  });

  test("refuses duplicate names", () => {
    assertThrows(() => readTable([[1, 2]], { columns: ["a", "a"] }), RangeError, '"a" comes twice');
  });

  test("refuses what is no table", () => {
    const wrong: unknown[] = [null, 3, "a,b", [1, 2], [null], Float64Array.of(1), new Date(), new Map(), {
      a: "text",
    }];
    for (const input of wrong) assertThrows(() => readTable(input as TableInput), TypeError);
    assertThrows(() => readTable([[1], { a: 1 }] as unknown as TableInput), TypeError, "rows[1]");
    assertThrows(() => readTable([{ a: 1 }, null] as unknown as TableInput), TypeError, "rows[1] is null");
  });

  test("refuses dates, bigints, objects and infinity and names the cell", () => {
    const cells: [unknown, typeof TypeError | typeof RangeError, string][] = [
      [new Date(0), TypeError, "toISOString"],
      [1n, TypeError, "Number(...)"],
      [{}, TypeError, "an object"],
      [() => 1, TypeError, "a function"],
      [Symbol("s"), TypeError, "a symbol"],
      [Infinity, RangeError, "not finite"],
      [-Infinity, RangeError, "not finite"],
    ];
    for (const [cell, type, text] of cells) {
      for (const before of [0, "text"]) {
        const error = assertThrows(() => readTable({ a: [before, cell] } as TableInput), type, text);
        assertStringIncludes(error.message, 'rows[1], column "a"');
      }
    }
  });

  test("keeps messages short when names are long", () => {
    const error = assertThrows(() => readTable({ ["n".repeat(1e6)]: [Infinity] }), RangeError);
    assert(error.message.length < 300);
  });
});

describe("fitEncoder()", () => {
  const train: TableInput = [
    { size: 1, colour: "red", ok: true, none: null },
    { size: null, colour: "blue", ok: false, none: null },
    { size: 4, colour: null, ok: null, none: null },
  ];

  test("puts categories first, fills numbers with their mean and drops empty columns", () => {
    const { encoder, values } = fitEncoder(train);
    assertEquals(encoder.outputNames, ["colour", "ok", "size"]);
    assertEquals([...columnOf(values, 0)], [1, 0, -1]);
    assertEquals([...columnOf(values, 1)], [1, 0, -1]);
    assertEquals([...columnOf(values, 2)], [1, 2.5, 4]);
  });

  test("encodes unseen values as -1, in any order of the columns, also after JSON", () => {
    const { encoder } = fitEncoder(train);
    const restored = restoreEncoder(JSON.parse(JSON.stringify(encoder.state)));
    const input: TableInput = { none: [5], colour: ["green"], size: [undefined], ok: ["true"] };
    assertEquals([...encoder.encode(input).data], [-1, 1, 2.5]);
    assertEquals(restored.encode(input), encoder.encode(input));
    assertEquals([...encoder.encode([[7, "red", false, null]]).data], [1, 0, 7]);
  });

  test("takes numbers in a mixed column by their string form", () => {
    const { encoder, values } = fitEncoder({ mixed: [10, "9", true, 9] });
    assertEquals([...values.data], [0, 1, 2, 1]);
    assertEquals([...encoder.encode({ mixed: [9, 10, 11] }).data], [1, 0, -1]);
  });

  test("refuses other columns and says which", () => {
    const { encoder } = fitEncoder({ a: [1, 2], b: [3, 4] });
    assertThrows(() => encoder.encode({ a: [1] }), RangeError, 'missing "b"');
    assertThrows(() => encoder.encode({ a: [1], b: [1], c: [1] }), RangeError, 'not in the fitted table "c"');
    assertThrows(() => encoder.encode([[1, 2, 3]]), RangeError, "3 cells, expected 2");
    assertThrows(
      () => fitEncoder([[1, 2]]).encoder.encode({ a: [1], b: [2] }),
      TypeError,
      "give rows as arrays",
    );
  });

  test("refuses text in a column of numbers and names the cell", () => {
    const { encoder } = fitEncoder({ age: [1, 2] });
    assertThrows(() => encoder.encode({ age: [3, "old"] }), TypeError, 'rows[1], column "age": "old"');
    assertThrows(() => encoder.encode({ age: [true] }), TypeError, '"true"');
    const error = assertThrows(() => encoder.encode({ age: ["x".repeat(1e7)] }), TypeError);
    assert(error.message.length < 200);
  });

  test("gives no columns when no cell has a value", () => {
    assertEquals(fitEncoder({ a: [null, NaN] }).values.columns, 0);
  });

  test("reads a hundred thousand rows of thirty cells in under 3 seconds", () => {
    const rows = Array.from({ length: 100_000 }, (_, i) => Array.from({ length: 30 }, (_, j) => i * j));
    const start = performance.now();
    assertEquals(fitEncoder(rows).values.columns, 30);
    assert(performance.now() - start < 3000);
  });
});

describe("restoreEncoder()", () => {
  test("refuses what no encoder saved", () => {
    for (const state of [null, {}, { named: true, columns: [{ name: "a", kind: "number", mean: null }] }]) {
      assertThrows(() => restoreEncoder(state as never), TypeError);
    }
  });
});

describe("fitFrame()", () => {
  const column = (
    dtype: string,
    values: (string | number | boolean | null)[],
    missing_kind: "None" | "NaN" = "NaN",
  ) => [{ name: "c", dtype, values, missing_kind }] as const;

  test("gives None a code of its own only in object columns that had one in training", () => {
    const withNone = fitFrame(column("object", ["b", null, "a"], "None"));
    assertEquals([...withNone.encode(column("object", [null, "a", "z"], "None")).data], [2, 0, -1]);
    assertEquals([...withNone.encode(column("object", [null], "NaN")).data], [-1]);
    const without = fitFrame(column("object", ["b", "a"]));
    assertEquals([...without.encode(column("object", [null], "None")).data], [-1]);
    assertEquals(
      [...fitFrame(column("category", ["b", null])).encode(column("category", [null, "b"])).data],
      [-1, 0],
    );
  });

  test("drops bool columns and dates, keeps nullable booleans and integers", () => {
    assertEquals(fitFrame(column("bool", [true, false])).dropped, ["c"]);
    assertEquals(fitFrame(column("datetime64[ns]", [1, 2])).columnOrder, []);
    assertEquals(
      [...fitFrame(column("boolean", [true, null])).encode(column("boolean", [false, true])).data],
      [-1, 0],
    );
    for (const dtype of ["int64", "uint8", "float32", "Int64"]) {
      assertEquals([...fitFrame(column(dtype, [1, 3])).encode(column(dtype, [null])).data], [2]);
    }
  });

  test("sorts numbers in categories by size", () => {
    assertEquals(fitFrame(column("category", [10, 9, 10])).categories, { c: [9, 10] });
  });

  test("refuses a missing column", () => {
    assertThrows(() => fitFrame(column("str", ["a"])).encode([]), RangeError, '"c" is missing');
  });
});

describe("compareCodePoints()", () => {
  test("orders by code point where UTF-16 units would not", () => {
    const sorted = [
      "",
      "Z",
      "a",
      "ab",
      "b",
      "\u{d7ff}",
      "\u{e000}",
      "\u{ffff}",
      "\u{10000}",
      "\u{1f600}",
      "\u{1f600}a",
    ];
    assertEquals([...sorted].reverse().sort(compareCodePoints), sorted);
    assert([...sorted].sort().join() !== sorted.join());
  });
});
