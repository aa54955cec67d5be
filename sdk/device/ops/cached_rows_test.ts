import { describe, test } from "node:test";
import { assert, assertEquals, assertThrows } from "../../testing/assert.ts";
import { createDevice } from "../core_device.ts";
import type { Device } from "../device.ts";
import { openReference } from "../reference/mod.ts";
import type { Tensor } from "../tensor.ts";
import { type CachedRows, decodeRows, type DecodeRowsOptions, full, readRows, scoreRows } from "./mod.ts";

const device = createDevice(openReference());
const f = (...shape: number[]): Tensor => full(device, shape, 1);
const i = (...shape: number[]): Tensor => device.empty(shape, "i32");
const u = (...shape: number[]): Tensor => device.empty(shape, "u8");
const h = (...shape: number[]): Tensor => device.empty(shape, "f16");

/** Two heads with ten rows of four columns, and room for six more. */
const dense: CachedRows = {
  form: "f32",
  k: f(2, 16, 4),
  v: f(2, 16, 4),
  kvHeads: 2,
  headDim: 4,
  kHead: 64,
  vHead: 64,
  first: 20,
  rows: 10,
};
/** The same as codes in groups of two. */
const codes: CachedRows = {
  ...dense,
  form: "int4",
  k: u(2, 16, 2),
  v: u(2, 16, 2),
  meta: f(2, 2, 16, 4),
  metaHead: 64,
  vMetaAt: 128,
  group: 2,
};
/** One head with two groups of 64 tokens, the last of them partly filled. */
const tiles: CachedRows = {
  ...dense,
  form: "bitmap",
  k: h(800),
  v: h(800),
  meta: i(2, 129, 3),
  kvHeads: 1,
  headDim: 64,
  metaHead: 387,
  vMetaAt: 387,
  kHead: 800,
  vHead: 800,
  rows: 70,
};

const decode = (rows: CachedRows, options: Partial<DecodeRowsOptions> = {}) => (d: Device): unknown =>
  decodeRows(d, f(4, rows.headDim), rows, { total: 100, ...options });

/** Calls that must be refused, by what is wrong. */
const REFUSED: Readonly<Record<string, readonly [ErrorConstructor, (d: Device) => unknown]>> = {
  "decodeRows() of an unknown form": [TypeError, decode({ ...dense, form: "f64" as "f32" })],
  "decodeRows() of rows of another type": [TypeError, decode({ ...dense, form: "f16" })],
  "decodeRows() of values of another type than the keys": [TypeError, decode({ ...dense, v: h(2, 16, 4) })],
  "decodeRows() of codes without meta": [TypeError, decode({ ...dense, form: "int8", k: u(128), v: u(128) })],
  "decodeRows() of bitmaps with float meta": [TypeError, decode({ ...tiles, meta: f(774) })],
  "decodeRows() of codes that do not say where the meta of values begins": [
    RangeError,
    (d) => {
      const { vMetaAt: _, ...rows } = codes;
      return decode(rows)(d);
    },
  ],
  "decodeRows() of queries of another width": [
    RangeError,
    (d) => decodeRows(d, f(4, 5), dense, { total: 100 }),
  ],
  "decodeRows() of queries with a token axis": [
    RangeError,
    (d) => decodeRows(d, f(4, 1, 4), dense, { total: 100 }),
  ],
  "decodeRows() of heads that the key heads do not divide": [
    RangeError,
    (d) => decodeRows(d, f(3, 4), dense, { total: 100 }),
  ],
  "decodeRows() of keys that end before the last row": [RangeError, decode({ ...dense, k: f(103) })],
  "decodeRows() of values that end before the last row": [RangeError, decode({ ...dense, v: f(103) })],
  "decodeRows() of codes that end before the last row": [RangeError, decode({ ...codes, k: u(51) })],
  "decodeRows() of meta that ends before the last pair": [RangeError, decode({ ...codes, meta: f(231) })],
  "decodeRows() of meta that ends before the last tile": [
    RangeError,
    decode({ ...tiles, meta: i(387 + 383) }),
  ],
  "decodeRows() of int4 rows of odd width": [RangeError, decode({ ...codes, headDim: 3, group: 3 })],
  "decodeRows() of bitmaps that are not 64 wide": [RangeError, decode({ ...tiles, headDim: 32 })],
  "decodeRows() of bitmap heads that begin between vectors": [RangeError, decode({ ...tiles, kHead: 12 })],
  "decodeRows() of groups that do not divide the width": [RangeError, decode({ ...codes, group: 8 })],
  "decodeRows() with a float table": [TypeError, decode({ ...dense, table: f(2, 16) })],
  "decodeRows() with a table of other heads": [RangeError, decode({ ...dense, table: i(1, 16) })],
  "decodeRows() with too few pages": [RangeError, decode({ ...dense, table: i(2, 2), page: 4 })],
  "decodeRows() with pages of no rows": [RangeError, decode({ ...dense, table: i(2, 16), page: 0 })],
  "decodeRows() of a cache that is shorter than the rows": [RangeError, decode(dense, { total: 9 })],
  "decodeRows() of rows beyond the cache": [RangeError, decode(dense, { total: 29 })],
  "decodeRows() of half a row": [RangeError, decode({ ...dense, rows: 9.5 })],
  "decodeRows() with a float list": [TypeError, decode(dense, { list: f(1, 3) })],
  "decodeRows() with a list without an axis of lists": [RangeError, decode(dense, { list: i(3) })],
  "decodeRows() with three lists for four heads": [RangeError, decode(dense, { list: i(3, 3) })],
  "decodeRows() with a step of 0": [RangeError, decode(dense, { step: 0 })],
  "decodeRows() with a band for every query head": [RangeError, decode(dense, { band: i(4, 2) })],
  "decodeRows() with a scale that is not finite": [RangeError, decode(dense, { scale: NaN })],
  "decodeRows() into another shape": [RangeError, decode(dense, { into: { out: f(4, 5), lse: f(4) } })],
  "decodeRows() into integers": [TypeError, decode(dense, { into: { out: f(4, 4), lse: i(4) } })],
  "scoreRows() of bitmaps": [RangeError, (d) => scoreRows(d, f(4, 64), tiles)],
  "scoreRows() of pages": [
    RangeError,
    (d) => scoreRows(d, f(4, 4), { ...dense, table: i(2, 16) } as CachedRows),
  ],
  "scoreRows() into too few columns": [RangeError, (d) => scoreRows(d, f(4, 4), dense, { out: f(4, 9) })],
  "scoreRows() into other heads": [RangeError, (d) => scoreRows(d, f(4, 4), dense, { out: f(3, 10) })],
  "readRows() of neither keys nor values": [TypeError, (d) => readRows(d, dense, "q" as "k")],
  "readRows() beyond the rows": [RangeError, (d) => readRows(d, dense, "k", 5, 6)],
  "readRows() from below 0": [RangeError, (d) => readRows(d, dense, "k", -1)],
};

describe("cached rows refuse", () => {
  for (const [name, [errorClass, call]] of Object.entries(REFUSED)) {
    test(name, () => {
      const error = assertThrows(() => call(device), errorClass);
      assert(/^Cannot run (decode|scoreRows|readRows): .*[^.]$/.test(error.message), error.message);
    });
  }
});

describe("cached rows", () => {
  test("may fill their tensors to the last element", async () => {
    const exact = [
      { ...dense, k: f(104), v: f(104) },
      { ...codes, k: u(52), v: u(52), meta: device.tensor(new Float32Array(232), [232]) },
      { ...tiles, meta: device.tensor(new Int32Array(387 + 384), [771]) },
    ];
    for (const rows of exact) {
      const { out } = decodeRows(device, f(2, rows.headDim), rows, { total: 100 });
      assert((await out.read()).every(Number.isFinite), rows.form);
    }
  });

  test("that are not there give zeros and -Infinity, and leave what they are merged into", async () => {
    const none = { ...dense, rows: 0 };
    const { out, lse } = decodeRows(device, f(2, 4), none, { total: 20 });
    assertEquals([...await out.read(), ...await lse.read()], [0, 0, 0, 0, 0, 0, 0, 0, -Infinity, -Infinity]);
    const into = { out: f(2, 4), lse: f(2) };
    assertEquals(decodeRows(device, f(2, 4), none, { total: 20, into }), into);
    assertEquals(decodeRows(device, f(2, 4), dense, { total: 30, list: i(1, 0), into }), into);
    assertEquals([...await into.out.read(), ...await into.lse.read()], new Array(10).fill(1));
    assertEquals(scoreRows(device, f(2, 4), none).shape, [2, 0]);
    assertEquals(readRows(device, dense, "k", 10).shape, [2, 0, 4]);
  });
});
