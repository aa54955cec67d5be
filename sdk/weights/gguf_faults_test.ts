import { describe, test } from "node:test";
import { WeightsError } from "../device/errors.ts";
import { assert, assertRejects } from "../testing/assert.ts";
import {
  ARRAY,
  array,
  BOOL,
  entry,
  F32,
  f32,
  ggufFile,
  STRING,
  type TestFile,
  text,
  U32,
  u32,
  U64,
  U8,
} from "./_gguf_test_file.ts";
import { openGguf } from "./gguf.ts";

const TENSOR = { name: "w", axes: [4], type: 0, data: new Uint8Array(16) };
const file = (of: TestFile): Uint8Array => ggufFile({ tensors: [TENSOR], ...of });
const tensor = (changes: object): Uint8Array => ggufFile({ tensors: [{ ...TENSOR, ...changes }] });
const withEntry = (key: string, type: number, value: Uint8Array): Uint8Array =>
  file({ entries: [entry(key, type, value)] });

/** Arrays in arrays, the innermost of bytes. */
function nested(depth: number): Uint8Array {
  return depth === 1 ? array(U8, [Uint8Array.of(1)]) : array(ARRAY, [nested(depth - 1)]);
}

/** What must be refused, and words that the error must have. */
const FAULTS: readonly (readonly [string, Uint8Array, string])[] = [
  ["is empty", new Uint8Array(0), "the magic number"],
  ["begins with another magic number", file({ magic: "GGML" }), "47 47 4d 4c"],
  ["is of version 0", file({ version: 0 }), "version is 0, expected 2 or 3"],
  ["is of version 1", file({ version: 1 }), "version is 1"],
  ["is of version 4", file({ version: 4 }), "version is 4"],
  ["is big-endian, version 2", file({ version: 0x0200_0000 }), "big-endian"],
  ["is big-endian, version 3", file({ version: 0x0300_0000 }), "big-endian"],
  ["counts 2^63 tensors", file({ tensorCount: 2n ** 63n }), "number of tensors is 9223372036854775808"],
  [
    "counts 2^63 entries",
    file({ entryCount: 2n ** 63n }),
    "number of metadata entries is 9223372036854775808",
  ],
  ["counts 2^64 - 1 tensors", file({ tensorCount: 2n ** 64n - 1n }), "number of tensors"],
  ["counts more tensors than it has", file({ tensorCount: 2n }), "GGUF file"],
  ["counts more entries than it has", file({ entryCount: 1n }), "GGUF file"],
  [
    "has a key longer than the file",
    file({ entries: [text("a", 2n ** 40n)] }),
    "the key of metadata entry 0",
  ],
  ["has a key of 65,536 bytes", withEntry("k".repeat(65536), U8, Uint8Array.of(1)), "at most 65535"],
  ["has a string longer than the file", withEntry("a", STRING, text("b", 1000n)), "takes 1000 bytes"],
  ["has a string of 2^63 bytes", withEntry("a", STRING, text("b", 2n ** 63n)), "9223372036854775808"],
  ["has a string of 2^64 - 1 bytes", withEntry("a", STRING, text("b", 2n ** 64n - 1n)), 'metadata "a"'],
  ["has a string that is not UTF-8", withEntry("a", STRING, text(Uint8Array.of(0xff))), "not UTF-8"],
  [
    "has a key twice",
    file({ entries: [entry("a", U32, u32(1)), entry("a", U8, u32(1))] }),
    '"a" comes twice',
  ],
  ["has a value of an unknown type", withEntry("a", 13, u32(1)), "is 13, expected 0 to 12"],
  ["has a boolean that is 2", withEntry("a", BOOL, Uint8Array.of(2)), "stored as 2"],
  ["has an array of an unknown type", withEntry("a", ARRAY, array(99, [])), "is 99"],
  [
    "has an array of 2^63 numbers",
    withEntry("a", ARRAY, array(F32, [f32(1)], 2n ** 63n)),
    "number of elements",
  ],
  [
    "has an array of 2^61 64-bit numbers, 2^64 bytes",
    withEntry("a", ARRAY, array(U64, [], 2n ** 61n)),
    "elements",
  ],
  ["has an array of 2^63 strings", withEntry("a", ARRAY, array(STRING, [], 2n ** 63n)), "number of elements"],
  ["has an array of 2^63 arrays", withEntry("a", ARRAY, array(ARRAY, [], 2n ** 63n)), "number of elements"],
  ["nests arrays 5 deep", withEntry("a", ARRAY, nested(5)), "more than 4 deep"],
  ["nests arrays 100,000 deep", withEntry("a", ARRAY, nestedHeads(100_000)), "more than 4 deep"],
  ["is aligned to 0", withEntry("general.alignment", U32, u32(0)), "is 0, expected a multiple of 8"],
  ["is aligned to 3", withEntry("general.alignment", U32, u32(3)), "is 3, expected a multiple of 8"],
  ["is aligned to a string", withEntry("general.alignment", STRING, text("32")), "of type string"],
  ["is aligned to an array", withEntry("general.alignment", ARRAY, array(U32, [u32(32)])), "of type array"],
  ["is aligned to 2^32 - 8", withEntry("general.alignment", U32, u32(2 ** 32 - 8)), "but the file has"],
  ["has a tensor without axes", tensor({ axes: [] }), "has 0 axes"],
  ["has a tensor of 5 axes", tensor({ axes: [4, 1, 1, 1, 1] }), "has 5 axes"],
  [
    "has a tensor of 2^32 - 1 axes",
    file({ tensors: [], tensorCount: 1n, entries: [manyAxes()], entryCount: 0n }),
    "4294967295 axes",
  ],
  ["has an axis of size 0", tensor({ axes: [0] }), "size 0"],
  ["has an axis of size 2^63", tensor({ axes: [2n ** 63n] }), "size 9223372036854775808"],
  ["has axes whose product is 2^64", tensor({ axes: [2n ** 32n, 2n ** 32n] }), "ends at byte"],
  ["has axes whose product is 2^200", tensor({ axes: Array(4).fill(2n ** 50n) }), "ends at byte"],
  ["has a tensor of an unknown type", tensor({ type: 200 }), "is 200, expected one of 0 (F32)"],
  ["has a tensor of a type that was removed", tensor({ type: 4 }), "is 4"],
  ["has a tensor of a type that cannot be read (Q5_K)", tensor({ type: 13, axes: [256] }), "is 13"],
  ["has rows that are not whole Q8_0 blocks", tensor({ type: 8, axes: [48, 32] }), "multiple of 32 for Q8_0"],
  ["has rows that are not whole Q4_0 blocks", tensor({ type: 2, axes: [16, 2] }), "multiple of 32 for Q4_0"],
  [
    "has rows that are not whole Q4_K blocks",
    tensor({ type: 12, axes: [128, 2] }),
    "multiple of 256 for Q4_K",
  ],
  [
    "has rows that are not whole Q6_K blocks",
    tensor({ type: 14, axes: [32, 8] }),
    "multiple of 256 for Q6_K",
  ],
  ["has an offset that is not aligned", tensor({ offset: 16 }), "multiple of the alignment 32"],
  ["has an offset beyond the file", tensor({ offset: 1024 }), "but the file has"],
  ["has an offset of 2^64 - 32", tensor({ offset: 2n ** 64n - 32n }), "but the file has"],
  ["has a tensor that ends beyond the file", tensor({ axes: [5] }), "but the file has"],
  ["has a tensor twice", file({ tensors: [TENSOR, TENSOR] }), 'tensor "w" comes twice'],
  [
    "has two tensors at the same place",
    file({ tensors: [TENSOR, { ...TENSOR, name: "v", offset: 0 }] }),
    "overlap",
  ],
  [
    "has tensors that overlap in part",
    file({
      tensors: [{ ...TENSOR, axes: [12], data: new Uint8Array(48) }, { ...TENSOR, name: "v", offset: 32 }],
    }),
    "overlap",
  ],
  [
    "has a tensor whose name is not UTF-8",
    tensor({ name: Uint8Array.of(0xc3) }),
    "name of tensor 0 is not UTF-8",
  ],
];

/** The begin of arrays in arrays, without an end. */
function nestedHeads(depth: number): Uint8Array {
  const bytes = new Uint8Array(12 * depth);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < depth; i++) {
    view.setUint32(12 * i, ARRAY, true);
    view.setBigUint64(12 * i + 4, 1n, true);
  }
  return bytes;
}

/** A tensor's entry that counts 2^32 - 1 axes, and some bytes. */
function manyAxes(): Uint8Array {
  return new Uint8Array([...text("w"), ...u32(2 ** 32 - 1), ...new Uint8Array(100)]);
}

describe("openGguf() refuses a file that", () => {
  for (const [fault, bytes, words] of FAULTS) {
    test(fault, async () => {
      const error = await assertRejects(() => openGguf(bytes), WeightsError, words);
      assert(error.message.startsWith("Cannot read the GGUF file: "), error.message);
    });
  }

  test("has a header over 100 MB, after at most that much of it is read", async () => {
    const start = file({ entries: [entry("a", ARRAY, array(U8, [], 2n ** 32n))] });
    let read = 0;
    const source = {
      size: 2 ** 33,
      read(offset: number, length: number) {
        read += length;
        const bytes = new Uint8Array(length);
        bytes.set(start.subarray(offset, offset + length));
        return Promise.resolve(bytes);
      },
    };
    await assertRejects(() => openGguf(source), WeightsError, "expected at most 100000000");
    assert(read <= 2 ** 20, `read ${read} bytes`);
  });
});
