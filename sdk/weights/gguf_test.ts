import { Buffer } from "node:buffer";
import { describe, test } from "node:test";
import { WeightsError } from "../device/errors.ts";
import { assert, assertEquals, assertRejects, assertThrows } from "../testing/assert.ts";
import {
  ARRAY,
  array,
  BOOL,
  entry,
  F32,
  f32,
  ggufFile,
  I16,
  STRING,
  text,
  U32,
  u32,
  U64,
  u64,
  U8,
} from "./_gguf_test_file.ts";
import { openGguf } from "./gguf.ts";

const floatBytes = (...values: number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);

const MATRIX = { name: "w", axes: [3, 2], type: 0, data: floatBytes(1, 2, 3, 4, 5, 6) };
const HALVES = { name: "h", axes: [2, 1], type: 1, data: Uint8Array.of(0x00, 0x3c, 0x00, 0xc0) };
const VECTOR = { name: "b", axes: [3], type: 0, data: floatBytes(7, 8, 9) };

describe("openGguf()", () => {
  test("gives shapes in row-major order and the elements of rows", async () => {
    const model = await openGguf(ggufFile({ tensors: [MATRIX, VECTOR] }));
    assertEquals([...model.tensors.keys()], ["w", "b"]);
    assertEquals(model.tensors.get("w")!.shape, [2, 3]);
    assertEquals(await model.floats("w"), Float32Array.of(1, 2, 3, 4, 5, 6));
    assertEquals(await model.floats("w", [1, 2]), Float32Array.of(4, 5, 6));
    assertEquals(await model.floats("w", [1, 1]), new Float32Array(0));
    assertEquals(await model.floats("b"), Float32Array.of(7, 8, 9));
    assertEquals(await model.weight("w", { rows: [1, 2] }), {
      data: Float32Array.of(4, 5, 6),
      shape: [1, 3],
    });
  });

  test("reads version 2 like version 3", async () => {
    for (const version of [2, 3]) {
      assertEquals((await openGguf(ggufFile({ version, tensors: [MATRIX] }))).version, version);
    }
  });

  test("places tensors by the alignment that the file states", async () => {
    const entries = [entry("general.alignment", U32, u32(8))];
    const tight = await openGguf(ggufFile({ alignment: 8, entries, tensors: [VECTOR, MATRIX] }));
    assertEquals(tight.tensors.get("w")!.offset - tight.tensors.get("b")!.offset, 16);
    assertEquals(await tight.floats("w"), Float32Array.of(1, 2, 3, 4, 5, 6));
  });

  test("accepts tensors out of the order of their data, gaps between them and bytes after them", async () => {
    const tensors = [{ ...MATRIX, offset: 64 }, { ...VECTOR, offset: 0 }];
    const file = ggufFile({ tensors });
    const bytes = new Uint8Array(file.length + 100);
    bytes.set(file);
    const [w, b] = [...(await openGguf(bytes)).tensors.values()];
    assertEquals(w!.offset - b!.offset, 64);
  });

  test("accepts a file of metadata only", async () => {
    const model = await openGguf(
      ggufFile({ entries: [entry("general.architecture", STRING, text("llama"))] }),
    );
    assertEquals(model.metadata.text("general.architecture"), "llama");
    assertEquals(model.tensors.size, 0);
  });

  test("reads from a view that begins anywhere in its buffer", async () => {
    const file = ggufFile({ tensors: [MATRIX] });
    const moved = new Uint8Array(file.length + 1);
    moved.set(file, 1);
    assertEquals(await (await openGguf(moved.subarray(1))).floats("w", [0, 1]), Float32Array.of(1, 2, 3));
  });

  test("reads a Buffer of Node, whose slices are views", async () => {
    const file = ggufFile({ entries: [entry("a", U32, u32(7))], tensors: [HALVES] });
    const buffer = Buffer.alloc(file.length + 1);
    buffer.set(file, 1);
    const model = await openGguf(buffer.subarray(1));
    assertEquals(model.metadata.number("a"), 7);
    assertEquals(await model.floats("h"), Float32Array.of(1, -2));
  });

  test("reads no more of a file of 5 GB than the header and the rows asked for", async () => {
    const big = { name: "big", axes: [1024, 1_000_000], type: 0, data: new Uint8Array(0) };
    const header = ggufFile({ tensors: [big] });
    const size = header.length + 4 * 1024 * 1_000_000;
    let read = 0;
    let largest = 0;
    const model = await openGguf({
      size,
      read(offset, length) {
        read += length;
        largest = Math.max(largest, length);
        const bytes = new Uint8Array(length);
        bytes.set(header.subarray(offset, offset + length));
        return Promise.resolve(bytes);
      },
    });
    assertEquals(read, 2 ** 20);
    const rows = await model.floats("big", [999_000, 1_000_000]);
    assertEquals(rows.length, 1_024_000);
    assertEquals(read, 2 ** 20 + 4 * 1_024_000);
    await model.weight("big", { rows: [0, 10_000], as: "f16" });
    assert(largest <= 2 ** 24, `read ${largest} bytes at once`);
  });

  test("reads on when the header is longer than the first part that it reads", async () => {
    const tokens = Array.from({ length: 200_000 }, (_, i) => `token ${i}`);
    const entries = [
      entry("tokenizer.ggml.tokens", ARRAY, array(STRING, tokens.map((token) => text(token)))),
    ];
    const model = await openGguf(ggufFile({ entries, tensors: [MATRIX] }));
    assertEquals(model.metadata.texts("tokenizer.ggml.tokens"), tokens);
    assertEquals(await model.floats("w", [1, 2]), Float32Array.of(4, 5, 6));
  });

  test("refuses a source that became shorter", async () => {
    const file = ggufFile({ tensors: [MATRIX] });
    let length = file.length;
    const model = await openGguf({
      size: file.length,
      read: (offset, count) => Promise.resolve(file.subarray(offset, Math.min(length, offset + count))),
    });
    length -= 1;
    const error = await assertRejects(() => model.floats("w"), WeightsError);
    assert(error.message.includes("became shorter"), error.message);
  });

  test("closes its source", async () => {
    const file = ggufFile({ tensors: [MATRIX] });
    let closed = 0;
    const model = await openGguf({
      size: file.length,
      read: (offset, length) => Promise.resolve(file.subarray(offset, offset + length)),
      close: () => Promise.resolve(void closed++),
    });
    await model.close();
    assertEquals(closed, 1);
  });

  test("refuses names, rows and shapes that it does not have", async () => {
    const model = await openGguf(ggufFile({ tensors: [MATRIX, VECTOR] }));
    await assertRejects(() => model.floats("x"), WeightsError, 'tensor "x"');
    await assertRejects(() => model.floats("w", [0, 3]), RangeError, "it has 2 rows");
    await assertRejects(() => model.floats("w", [1, 0]), RangeError);
    await assertRejects(() => model.floats("w", [0.5, 1]), RangeError);
    await assertRejects(() => model.weight("b"), WeightsError, "expected a matrix");
  });
});

describe("GgufMetadata", () => {
  const i16 = new Uint8Array(Int16Array.of(-2).buffer);
  const file = ggufFile({
    entries: [
      entry("u8", U8, Uint8Array.of(255)),
      entry("i16", I16, i16),
      entry("f32", F32, f32(0.5)),
      entry("true", BOOL, Uint8Array.of(1)),
      entry("text", STRING, text("\ufeffé")),
      entry("u64", U64, u64(2n ** 53n - 1n)),
      entry("large", U64, u64(2n ** 53n)),
      entry("ints", ARRAY, array(I16, [i16, i16])),
      entry("longs", ARRAY, array(U64, [u64(1), u64(2n ** 63n)])),
      entry("flags", ARRAY, array(BOOL, [Uint8Array.of(0, 1)], 2n)),
      entry("texts", ARRAY, array(STRING, [text(""), text("b")])),
      entry("none", ARRAY, array(F32, [])),
      entry("four", ARRAY, array(ARRAY, [array(ARRAY, [array(ARRAY, [array(U8, [Uint8Array.of(9)])])])])),
      entry("__proto__", U8, Uint8Array.of(1)),
    ],
  });

  test("gives numbers of every type", async () => {
    const { metadata } = await openGguf(file);
    assertEquals(["u8", "i16", "f32", "u64", "__proto__"].map((key) => metadata.number(key)), [
      255,
      -2,
      0.5,
      2 ** 53 - 1,
      1,
    ]);
    assertEquals(metadata.numbers("ints"), Float64Array.of(-2, -2));
    assertEquals(metadata.numbers("none"), new Float64Array(0));
  });

  test("gives texts, booleans, arrays in arrays and raw values", async () => {
    const { metadata } = await openGguf(file);
    assertEquals(metadata.text("text"), "\ufeffé");
    assertEquals(metadata.flag("true"), true);
    assertEquals(metadata.texts("texts"), ["", "b"]);
    assertEquals(metadata.get("flags")!.value, { of: "bool", items: [false, true] });
    assertEquals(metadata.get("longs")!.value, { of: "u64", items: BigUint64Array.of(1n, 2n ** 63n) });
    const innermost = { of: "u8", items: Uint8Array.of(9) };
    const nested = { of: "array", items: [{ of: "array", items: [{ of: "array", items: [innermost] }] }] };
    assertEquals(metadata.get("four"), { type: "array", value: nested } as unknown);
    assertEquals(metadata.keys.length, 14);
  });

  test("gives nothing for a key that is not there", async () => {
    const { metadata } = await openGguf(file);
    assertEquals(
      [
        metadata.get("x"),
        metadata.number("x"),
        metadata.text("x"),
        metadata.flag("x"),
        metadata.numbers("x"),
      ],
      [undefined, undefined, undefined, undefined, undefined],
    );
    assertEquals(metadata.texts("constructor"), undefined);
  });

  test("refuses values of another kind", async () => {
    const { metadata } = await openGguf(file);
    assertThrows(() => metadata.number("text"), WeightsError, 'metadata "text": it is of type string');
    assertThrows(() => metadata.number("true"), WeightsError);
    assertThrows(() => metadata.number("large"), WeightsError, "below 2^53");
    assertThrows(() => metadata.number("ints"), WeightsError);
    assertThrows(() => metadata.text("u8"), WeightsError);
    assertThrows(() => metadata.flag("u8"), WeightsError);
    assertThrows(() => metadata.numbers("u8"), WeightsError);
    assertThrows(() => metadata.numbers("texts"), WeightsError, "array of string");
    assertThrows(() => metadata.numbers("longs"), WeightsError);
    assertThrows(() => metadata.texts("ints"), WeightsError);
    assertThrows(() => metadata.texts("text"), WeightsError);
  });
});
