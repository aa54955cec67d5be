import { describe, test } from "node:test";
import { assert, assertEquals, assertStrictEquals, assertThrows } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { WeightsError } from "../device/errors.ts";
import { readSafetensors, type SafetensorsEntry, toFloat32, writeSafetensors } from "./safetensors.ts";

const ENTRIES: ReadonlyMap<string, SafetensorsEntry> = new Map<string, SafetensorsEntry>([
  ["f64", { dtype: "F64", shape: [2], data: Float64Array.of(0.1, -1e300) }],
  ["f32", { dtype: "F32", shape: [2, 2], data: Float32Array.of(1, 2, 3, 4.5) }],
  ["f16", { dtype: "F16", shape: [3], data: Uint16Array.of(0x3c00, 0xc000, 0x7c00) }],
  ["bf16", { dtype: "BF16", shape: [1, 2], data: Uint16Array.of(0x3f80, 0xc000) }],
  ["i64", { dtype: "I64", shape: [2], data: BigInt64Array.of(-(2n ** 40n), 3n) }],
  ["u64", { dtype: "U64", shape: [1], data: BigUint64Array.of(2n ** 63n) }],
  ["i32", { dtype: "I32", shape: [2], data: Int32Array.of(-5, 6) }],
  ["u32", { dtype: "U32", shape: [1], data: Uint32Array.of(2 ** 32 - 1) }],
  ["i16", { dtype: "I16", shape: [1], data: Int16Array.of(-300) }],
  ["u16", { dtype: "U16", shape: [1], data: Uint16Array.of(60000) }],
  ["i8", { dtype: "I8", shape: [3], data: Int8Array.of(-1, 0, 1) }],
  ["u8", { dtype: "U8", shape: [2], data: Uint8Array.of(0, 255) }],
  ["bool", { dtype: "BOOL", shape: [2], data: Uint8Array.of(0, 1) }],
  ["scalar", { dtype: "F32", shape: [], data: Float32Array.of(7) }],
  ["none", { dtype: "F32", shape: [3, 0], data: new Float32Array(0) }],
  ['na\u00efve "name"\n', { dtype: "U8", shape: [1], data: Uint8Array.of(9) }],
  ["__proto__", { dtype: "U8", shape: [1], data: Uint8Array.of(8) }],
]);

describe("writeSafetensors() and readSafetensors()", () => {
  test("give back every element type, shape, name and the metadata", () => {
    const metadata = { config: '{"a":1}', "": "empty", ["__proto__"]: "kept" };
    const file = readSafetensors(writeSafetensors(ENTRIES, metadata));
    assertEquals(file.tensors.size, ENTRIES.size);
    for (const [name, entry] of ENTRIES) assertEquals(file.tensors.get(name), entry, name);
    assertEquals(Object.entries(file.metadata), Object.entries(metadata));
  });

  test("write the same bytes whatever the order of the tensors", () => {
    const reversed = new Map([...ENTRIES].reverse());
    assertEquals(writeSafetensors(reversed), writeSafetensors(ENTRIES));
  });

  test("handle a file without tensors", () => {
    const bytes = writeSafetensors(new Map());
    assertEquals([bytes.length, readSafetensors(bytes).tensors.size], [16, 0]);
  });

  test("survive random files", () => {
    const r = random(11);
    for (let round = 0; round < 30; round++) {
      const names = Array.from({ length: r.int(0, 8) }, (_, i) => `t${i}`);
      const entries = new Map(names.map((name): [string, SafetensorsEntry] => {
        const shape = Array.from({ length: r.int(0, 4) }, () => r.int(0, 5));
        const size = shape.reduce((product, n) => product * n, 1);
        return [
          name,
          r.pick<SafetensorsEntry>([
            { dtype: "F32", shape, data: r.normals(size) },
            { dtype: "I8", shape, data: Int8Array.from(r.ints(size, -128, 128)) },
            { dtype: "F16", shape, data: Uint16Array.from(r.ints(size, 0, 65536)) },
            { dtype: "F64", shape, data: Float64Array.from(r.normals(size)) },
          ]),
        ];
      }));
      const { tensors } = readSafetensors(writeSafetensors(entries));
      for (const [name, entry] of entries) assertEquals(tensors.get(name), entry);
    }
  });

  test("refuse to write what does not fit", () => {
    const write = (entry: SafetensorsEntry, name = "a") => writeSafetensors(new Map([[name, entry]]));
    const data = new Float32Array(2);
    assertThrows(() => write({ dtype: "F32", shape: [3], data }), WeightsError);
    assertThrows(() => write({ dtype: "F32", shape: [-2], data }), WeightsError);
    assertThrows(
      () => write({ dtype: "F64", shape: [2], data: data as unknown as Float64Array }),
      WeightsError,
    );
    assertThrows(() => write({ dtype: "F8" as "F32", shape: [2], data }), WeightsError);
    assertThrows(() => write({ dtype: "F32", shape: [2], data }, "__metadata__"), WeightsError);
    assertThrows(() => writeSafetensors(new Map(), { a: 1 as unknown as string }), WeightsError);
  });
});

describe("readSafetensors()", () => {
  test("gives views where the alignment allows it and copies elsewhere", () => {
    const bytes = writeSafetensors(new Map([["a", ENTRIES.get("f32")!]]));
    assertStrictEquals(readSafetensors(bytes).tensors.get("a")!.data.buffer, bytes.buffer);
    const moved = new Uint8Array(bytes.length + 1);
    moved.set(bytes, 1);
    const { data } = readSafetensors(moved.subarray(1)).tensors.get("a")!;
    assert(data.buffer !== moved.buffer);
    assertEquals(data, ENTRIES.get("f32")!.data);
  });
});

describe("toFloat32()", () => {
  test("converts every element type", () => {
    const floats = (name: string): number[] => Array.from(toFloat32(ENTRIES.get(name)!));
    assertEquals(floats("f64"), [Math.fround(0.1), -Infinity]);
    assertEquals(floats("f16"), [1, -2, Infinity]);
    assertEquals(floats("bf16"), [1, -2]);
    assertEquals(floats("i64"), [-(2 ** 40), 3]);
    assertEquals(floats("u64"), [2 ** 63]);
    assertEquals(floats("i8"), [-1, 0, 1]);
    assertEquals(floats("bool"), [0, 1]);
    assertEquals(floats("none"), []);
    assertStrictEquals(toFloat32(ENTRIES.get("f32")!), ENTRIES.get("f32")!.data);
  });
});

/** A file made by hand: a header of any text or bytes, then `data` bytes. */
function file(header: unknown, data = 0, length?: bigint): Uint8Array {
  const text = header instanceof Uint8Array
    ? header
    : new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + data);
  new DataView(bytes.buffer).setBigUint64(0, length ?? BigInt(text.length), true);
  bytes.set(text, 8);
  return bytes;
}

const f32 = (begin: number, end: number, shape: unknown = [(end - begin) / 4], dtype: unknown = "F32") => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});
const deep = (n: number): string => "[".repeat(n) + "]".repeat(n);

/** What must be refused, by name. */
const FAULTS: readonly (readonly [string, Uint8Array])[] = [
  ["is empty", new Uint8Array(0)],
  ["is shorter than its length field", new Uint8Array(7)],
  ["has a header longer than the file", file({}, 0, 3n)],
  ["has a header length of 2^64 - 1", file({}, 0, 2n ** 64n - 1n)],
  ["has a header over 100 MB", file({}, 0, 100_000_001n)],
  ["has a header under 2 bytes", file("{", 0)],
  ["has a header of no bytes", file("", 8)],
  ["has a header that is not UTF-8", file(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x7d))],
  ["has a header with a byte order mark", file("\ufeff{}")],
  ["has a header that begins with a space", file(" {}")],
  ["has a header that is not JSON", file('{"a":}')],
  ["has a header with text after the object", file("{}x")],
  ["has a header cut within a string", file('{"a')],
  ["has a header cut within an escape", file('{"a\\')],
  ["has a header that is a list", file("[1]")],
  ["has a header that is a number", file("12")],
  ["names a tensor twice", file(`{"a":${JSON.stringify(f32(0, 4))},"a":${JSON.stringify(f32(4, 8))}}`, 8)],
  [
    "names a tensor twice, once with an escape",
    file(`{"a":${JSON.stringify(f32(0, 4))},"\\u0061" :${JSON.stringify(f32(4, 8))}}`, 8),
  ],
  ["names a field twice", file('{"a":{"dtype":"F32","dtype":"U8","shape":[1],"data_offsets":[0,4]}}', 4)],
  ["nests 200,000 lists", file(`{"a":${deep(200_000)}}`)],
  ["nests 200,000 objects", file('{"a":'.repeat(200_000) + "1" + "}".repeat(200_000))],
  ["opens 200,000 brackets and closes none", file("{" + '"a":['.repeat(1) + "[".repeat(200_000))],
  ["has overlapping tensors", file({ a: f32(0, 8), b: f32(4, 12) }, 12)],
  ["has the same bytes for two tensors", file({ a: f32(0, 4), b: f32(0, 4) }, 4)],
  ["has a gap between tensors", file({ a: f32(0, 4), b: f32(8, 12) }, 12)],
  ["has a gap before the first tensor", file({ a: f32(4, 8) }, 8)],
  ["has an offset beyond the end", file({ a: f32(0, 8) }, 4)],
  ["has an empty tensor beyond the end", file({ a: f32(400, 400, [0]) }, 0)],
  ["has an empty tensor inside another", file({ a: f32(0, 8), b: f32(4, 4, [0]) }, 8)],
  ["has reversed offsets", file({ a: f32(4, 0, [1]) }, 4)],
  ["has offsets that are not whole", file({ a: f32(0, 4.5, [1]) }, 8)],
  ["has negative offsets", file({ a: f32(-4, 0, [1]) }, 4)],
  ["has three offsets", file({ a: { ...f32(0, 4), data_offsets: [0, 4, 4] } }, 4)],
  ["has no offsets", file({ a: { dtype: "F32", shape: [1] } }, 4)],
  ["has a shape with a product over 2^53", file({ a: f32(0, 4, [2 ** 30, 2 ** 30]) }, 4)],
  [
    "has a shape whose product overflows to 0",
    file({ a: f32(0, 0, Array.from({ length: 64 }, () => 2 ** 32)) }, 0),
  ],
  ["has a negative size", file({ a: f32(0, 4, [-1]) }, 4)],
  ["has two negative sizes", file({ a: f32(0, 4, [-1, -1]) }, 4)],
  ["has a fractional size", file({ a: f32(0, 4, [0.5, 2]) }, 4)],
  ["has a size that is a string", file({ a: f32(0, 4, ["1"]) }, 4)],
  ["has a size beyond 2^53", file('{"a":{"dtype":"F32","shape":[1e400],"data_offsets":[0,4]}}', 4)],
  ["has a shape that is a number", file({ a: f32(0, 4, 1) }, 4)],
  ["has an unknown type", file({ a: f32(0, 4, [1], "F33") }, 4)],
  ["has a type named like a property of all objects", file({ a: f32(0, 4, [1], "constructor") }, 4)],
  ["has a type that is no string", file({ a: f32(0, 4, [1], ["F32"]) }, 4)],
  ["has a shape and type that do not fit the bytes", file({ a: f32(0, 8, [3]) }, 8)],
  ["has trailing bytes", file({ a: f32(0, 4) }, 5)],
  ["has bytes but no tensors", file({}, 1)],
  ["has a truncated body", writeSafetensors(ENTRIES).subarray(0, -1)],
  ["has an entry that is null", file({ a: null })],
  ["has an entry that is a list", file({ a: [] })],
  ["has metadata that is no object", file({ __metadata__: "x" })],
  ["has metadata that is not strings", file({ __metadata__: { a: 1 } })],
];

describe("readSafetensors() refuses a file that", () => {
  for (const [fault, bytes] of FAULTS) {
    test(fault, () => {
      const error = assertThrows(() => readSafetensors(bytes), WeightsError);
      assert(error.message.startsWith("Cannot read "), error.message);
    });
  }
});

describe("readSafetensors() accepts a file that", () => {
  test("has tensors without elements, wherever they are", () => {
    const empty = f32(4, 4, [0, 5]);
    const { tensors } = readSafetensors(
      file(
        { z: f32(0, 0, [0]), a: f32(0, 4), m: empty, n: { ...empty, shape: [2 ** 40, 0] }, b: f32(4, 8) },
        8,
      ),
    );
    assertEquals([...tensors.keys()].length, 5);
    assertEquals(tensors.get("n")!.shape, [2 ** 40, 0]);
  });

  test("names a tensor __proto__, without changing any prototype", () => {
    const header = `{"__proto__":${
      JSON.stringify(f32(0, 4))
    },"__metadata__":{"__proto__":"x","constructor":"y"}}`;
    const { tensors, metadata } = readSafetensors(file(header, 4));
    assertEquals([...tensors.keys()], ["__proto__"]);
    assertEquals(Object.getPrototypeOf(metadata), Object.prototype);
    assertEquals(metadata["constructor"], "y");
    assertStrictEquals(({} as Record<string, unknown>)["dtype"], undefined);
  });

  test("pads its header with spaces and has fields that are not known", () => {
    const header = JSON.stringify({ a: { ...f32(0, 4), extra: ["[", "]", "{"] } }) + " ".repeat(13);
    assertEquals(readSafetensors(file(header, 4)).tensors.get("a")!.shape, [1]);
  });

  test("lists its tensors in another order than their data", () => {
    const { tensors } = readSafetensors(file({ b: f32(4, 12), a: f32(0, 4) }, 12));
    assertEquals([...tensors.keys()], ["a", "b"]);
  });
});

test("readSafetensors() ends with an answer or a WeightsError whatever byte of a file is changed", () => {
  const r = random(3);
  const good = writeSafetensors(ENTRIES, { note: "x" });
  const headerEnd = 8 + Number(new DataView(good.buffer).getBigUint64(0, true));
  for (let round = 0; round < 2000; round++) {
    const bytes = good.slice();
    for (let i = r.int(1, 4); i > 0; i--) bytes[r.int(0, headerEnd)] = r.int(0, 256);
    try {
      readSafetensors(bytes);
    } catch (error) {
      if (!(error instanceof WeightsError)) throw error;
    }
  }
});
