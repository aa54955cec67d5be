import { describe, test } from "node:test";
import { assertAlmostEquals, assertEquals } from "../../testing/assert.ts";
import { createDevice } from "../core_device.ts";
import { floatsToHalves } from "../half.ts";
import { type CachedRows, decodeRows, quantize, readRows, scoreRows } from "../ops/mod.ts";
import type { Tensor } from "../tensor.ts";
import { openReference } from "./mod.ts";

const device = createDevice(openReference());

const f32 = (values: readonly number[], ...shape: number[]): Tensor =>
  device.tensor(Float32Array.from(values), shape.length > 0 ? shape : [values.length]);
const i32 = (values: readonly number[], ...shape: number[]): Tensor =>
  device.tensor(Int32Array.from(values), shape.length > 0 ? shape : [values.length]);
const u8 = (...values: number[]): Tensor => device.tensor(Uint8Array.from(values), [values.length]);

const ln = Math.log;
/** Tokens 10 to 12 of one head: scores ln 1, ln 3 and ln 4 for the query (1, 0). */
const three: CachedRows = {
  form: "f32",
  k: f32([0, 9, ln(3), 9, ln(4), 9]),
  v: f32([8, 0, 0, 8, 16, 16]),
  kvHeads: 1,
  headDim: 2,
  kHead: 6,
  vHead: 6,
  first: 10,
  rows: 3,
};
const q = f32([1, 0], 1, 2);
const total = 13;

/** Values worked out by hand. */
async function expectValues(tensor: Tensor, expected: readonly number[]): Promise<void> {
  const actual = await tensor.read();
  assertEquals(actual.length, expected.length);
  expected.forEach((value, i) => {
    if (Number.isFinite(value)) assertAlmostEquals(actual[i]!, value, 1e-5);
    else assertEquals(actual[i], value);
  });
}

describe("decode on the reference device", () => {
  const cases: Readonly<Record<string, readonly [Parameters<typeof decodeRows>[3], number[], number]>> = {
    "reads all rows without a list": [{ total, scale: 1 }, [9, 11], ln(8)],
    "reads what a list names up to the first -1": [
      { total, scale: 1, list: i32([11, 10, -1, 12], 1, 4) },
      [2, 6],
      ln(4),
    ],
    "leaves out what a list names outside the rows": [
      { total, scale: 1, list: i32([0, 9, 13, 12], 1, 4) },
      [16, 16],
      ln(4),
    ],
    "counts twice what is named twice": [
      { total, scale: 1, list: i32([10, 10, 11], 1, 3) },
      [3.2, 4.8],
      ln(5),
    ],
    "reads the tokens of a step": [{ total, scale: 1, list: i32([5], 1, 1), step: 2 }, [2, 6], ln(4)],
    "reads the window of a band": [{ total, scale: 1, band: i32([0, 2], 1, 2) }, [64 / 7, 88 / 7], ln(7)],
    "counts the window back from the end of the cache": [
      { total: 14, scale: 1, band: i32([0, 2], 1, 2) },
      [16, 16],
      ln(4),
    ],
    "reads the sink of a band": [{ total, scale: 1, band: i32([11, 0], 1, 2) }, [8, 0], 0],
    "reads what both list and band allow": [
      { total, scale: 1, list: i32([10, 11], 1, 2), band: i32([0, 2], 1, 2) },
      [0, 8],
      ln(3),
    ],
    "gives zeros where nothing is read": [{ total, list: i32([-1], 1, 1) }, [0, 0], -Infinity],
    "scales by the root of the width": [{ total, list: i32([11], 1, 1) }, [0, 8], ln(3) / Math.SQRT2],
  };
  for (const [name, [options, out, lse]] of Object.entries(cases)) {
    test(name, async () => {
      const result = decodeRows(device, q, three, options);
      await expectValues(result.out, out);
      await expectValues(result.lse, [lse]);
    });
  }

  test("merges what parts of the cache give", async () => {
    const part = (...list: number[]) => ({ total, scale: 1, list: i32(list, 1, list.length) });
    const into = decodeRows(device, q, three, part(-1));
    for (const token of [12, -1, 10, 11]) decodeRows(device, q, three, { ...part(token), into });
    await expectValues(into.out, [9, 11]);
    await expectValues(into.lse, [ln(8)]);
  });

  test("gives the key head of the group, and the list of its head", async () => {
    const rows = { ...three, kvHeads: 2, rows: 1, first: 0, kHead: 2, vHead: 2, v: f32([1, 2, 3, 4]) };
    const queries = f32(new Array(8).fill(0), 4, 2);
    await expectValues(decodeRows(device, queries, rows, { total: 1 }).out, [1, 2, 1, 2, 3, 4, 3, 4]);
    const byKeyHead = { total: 1, list: i32([-1, 0], 2, 1) };
    await expectValues(decodeRows(device, queries, rows, byKeyHead).out, [0, 0, 0, 0, 3, 4, 3, 4]);
    const byHead = { total: 1, list: i32([0, -1, -1, 0], 4, 1) };
    await expectValues(decodeRows(device, queries, rows, byHead).out, [1, 2, 0, 0, 0, 0, 3, 4]);
  });
});

describe("rows on the reference device", () => {
  test("lie in pages of a pool, where one may be missing", async () => {
    const pool = f32([0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]);
    const rows: CachedRows = {
      ...three,
      ...{ k: pool, v: pool, kHead: 0, vHead: 0, kvHeads: 2, rows: 3, page: 2 },
      table: i32([2, 0, -1, 1], 2, 2),
    };
    await expectValues(readRows(device, rows, "k"), [4, 4, 5, 5, 0, 0, 0, 0, 0, 0, 2, 2]);
    await expectValues(readRows(device, rows, "v", 1, 2), [5, 5, 0, 0, 0, 0, 2, 2]);
    const { out } = decodeRows(device, f32([0, 0, 0, 0], 2, 2), rows, { total });
    await expectValues(out, [3, 3, 2, 2]);
  });

  test("are halves, or codes with a step and a smallest value", async () => {
    const sizes = { ...three, headDim: 4, rows: 1, kHead: 4, vHead: 4 };
    const halves = device.tensor(floatsToHalves(Float32Array.of(1, -2, 0.5, 3)), [4]);
    await expectValues(readRows(device, { ...sizes, form: "f16", k: halves, v: halves }, "v"), [
      1,
      -2,
      0.5,
      3,
    ]);
    const meta = f32([0.5, -1, 2, 10, 1, 0, 1, 100]);
    const codes = { ...sizes, meta, metaHead: 4, vMetaAt: 4, group: 2 };
    const bytes = u8(0, 4, 255, 1);
    const int8 = { ...codes, form: "int8", k: bytes, v: bytes } as const;
    await expectValues(readRows(device, int8, "k"), [-1, 1, 520, 12]);
    await expectValues(readRows(device, int8, "v"), [0, 4, 355, 101]);
    const int4 = { ...codes, form: "int4", k: u8(0x21, 0xf0), v: u8(0, 0) } as const;
    await expectValues(readRows(device, int4, "k"), [-0.5, 0, 10, 40]);
    await expectValues(scoreRows(device, f32([2, 0, 0, 1], 1, 4), int4, { scale: 3 }), [117]);
  });

  test("are scored into wider rows", async () => {
    const out = f32([5, 5, 5, 5], 1, 4);
    await expectValues(scoreRows(device, q, three, { out }), [0, ln(3), ln(4), 5]);
  });

  test("of bitmaps are read from keys by column and from values by row", async () => {
    const [headDim, entries] = [128, 128];
    const meta = new Int32Array(3 * entries);
    // Keys: column 1 holds token 0, token 33 and token 63. Values: row 1 holds columns 64 and 127 in its second tile.
    meta.set([1 << 31, 1 << 30 | 1, 8], 3);
    const values = meta.slice();
    values.fill(0).set([1 << 31, 1, 4], 3 * (64 + 1));
    const data = new Float32Array(24);
    data.set([1, 2, 3], 16);
    data.set([4, 5], 8);
    const packed = device.tensor(floatsToHalves(data), [24]);
    const rows: CachedRows = {
      ...three,
      ...{ form: "bitmap", k: packed, v: packed, headDim, rows: 64, kHead: 24, vHead: 24 },
      ...{ meta: i32([...meta, ...values]), metaHead: 2 * meta.length, vMetaAt: meta.length },
    };
    const found = async (kind: "k" | "v"): Promise<number[][]> =>
      [...await readRows(device, rows, kind).read()].flatMap((x, i) =>
        x === 0 ? [] : [[Math.floor(i / headDim), i % headDim, x]]
      );
    assertEquals(await found("k"), [[0, 1, 1], [33, 1, 2], [63, 1, 3]]);
    assertEquals(await found("v"), [[1, 64, 4], [1, 127, 5]]);
  });
});

describe("quantize on the reference device", () => {
  test("rounds to the nearest code, ties to even, low nibble first", async () => {
    const x = f32([-1, 0, 1, 14, 0, 0.5, 1.5, 15, 7, 7, 7, 7], 3, 4);
    const { codes, meta } = quantize(device, x, { bits: 4 });
    assertEquals([...await codes.read("u8")], [0x10, 0xf2, 0x00, 0xf2, 0, 0]);
    await expectValues(meta, [1, -1, 1, 0, 1 / 15, 7]);
  });

  test("gives every group its own step", async () => {
    const { codes, meta } = quantize(device, f32([0, 255, 3, 1, -5, 5]), { bits: 8, group: 2 });
    assertEquals([...await codes.read("u8")], [0, 255, 255, 0, 0, 255]);
    await expectValues(meta, [1, 0, 2 / 255, 1, 10 / 255, -5]);
  });
});
