import { describe, test } from "node:test";
import { assert, assertEquals } from "../testing/assert.ts";
import { type Random, random } from "../testing/random.ts";
import { blocksToFloats } from "./_gguf_blocks.ts";
import { GGUF_TYPES, type GgufType } from "./gguf_types.ts";
import { floatsToBrains, floatsToHalves, fromHalf, toHalf } from "./half.ts";

function expand(type: GgufType, bytes: Uint8Array): Float32Array {
  const { elements, bytes: size } = GGUF_TYPES[type];
  const out = new Float32Array(bytes.length / size * elements + 2);
  blocksToFloats(type, bytes, out, 1);
  assertEquals([out[0], out.at(-1)], [0, 0]);
  return out.slice(1, -1);
}

/** Packs numbers of some bits, one bit at a time, into places given by byte and lowest bit. */
class BitWriter {
  readonly bytes: Uint8Array;
  constructor(size: number) {
    this.bytes = new Uint8Array(size);
  }
  put(byte: number, bit: number, width: number, value: number): void {
    for (let i = 0; i < width; i++) {
      if ((value >> i) & 1) this.bytes[byte]! |= 1 << (bit + i);
    }
  }
  half(byte: number, value: number): void {
    const bits = toHalf(value);
    this.put(byte, 0, 8, bits & 255);
    this.put(byte + 1, 0, 8, bits >> 8);
  }
}

/** A random block and the elements that it stands for, in float64. */
type Encode = (r: Random) => { bytes: Uint8Array; values: number[] };

const half = (r: Random): number => fromHalf(toHalf(r.normal()));

const ENCODERS: Readonly<Record<"Q8_0" | "Q4_0" | "Q4_K" | "Q6_K", Encode>> = {
  Q8_0(r) {
    const writer = new BitWriter(34);
    const [d, q] = [half(r), r.ints(32, -128, 128)];
    writer.half(0, d);
    q.forEach((value, i) => writer.put(2 + i, 0, 8, value & 255));
    return { bytes: writer.bytes, values: Array.from(q, (value) => d * value) };
  },
  Q4_0(r) {
    const writer = new BitWriter(18);
    const [d, q] = [half(r), r.ints(32, -8, 8)];
    writer.half(0, d);
    q.forEach((value, i) => writer.put(2 + i % 16, i < 16 ? 0 : 4, 4, value + 8));
    return { bytes: writer.bytes, values: Array.from(q, (value) => d * value) };
  },
  Q4_K(r) {
    const writer = new BitWriter(144);
    const [d, dmin] = [half(r), half(r)];
    const [scales, mins, q] = [r.ints(8, 0, 64), r.ints(8, 0, 64), r.ints(256, 0, 16)];
    writer.half(0, d);
    writer.half(2, dmin);
    for (let g = 0; g < 4; g++) {
      writer.put(4 + g, 0, 6, scales[g]!);
      writer.put(8 + g, 0, 6, mins[g]!);
      writer.put(12 + g, 0, 4, scales[g + 4]! & 15);
      writer.put(12 + g, 4, 4, mins[g + 4]! & 15);
      writer.put(4 + g, 6, 2, scales[g + 4]! >> 4);
      writer.put(8 + g, 6, 2, mins[g + 4]! >> 4);
    }
    q.forEach((value, i) => writer.put(16 + Math.floor(i / 64) * 32 + i % 32, i % 64 < 32 ? 0 : 4, 4, value));
    const values = Array.from(q, (value, i) => d * scales[i >> 5]! * value - dmin * mins[i >> 5]!);
    return { bytes: writer.bytes, values };
  },
  Q6_K(r) {
    const writer = new BitWriter(210);
    const [d, scales, q] = [half(r), r.ints(16, -128, 128), r.ints(256, -32, 32)];
    for (let i = 0; i < 256; i++) {
      const stored = q[i]! + 32;
      const [side, run, lane] = [Math.floor(i / 128), Math.floor(i / 32) % 4, i % 32];
      writer.put(64 * side + 32 * (run % 2) + lane, run < 2 ? 0 : 4, 4, stored & 15);
      writer.put(128 + 32 * side + lane, 2 * run, 2, stored >> 4);
    }
    scales.forEach((value, g) => writer.put(192 + g, 0, 8, value & 255));
    writer.half(208, d);
    return { bytes: writer.bytes, values: Array.from(q, (value, i) => d * scales[i >> 4]! * value) };
  },
};

// gguf 0.19.0, gguf.quants.dequantize().
const PYTHON_Q4_K = [
  3.399169921875,
  31.2923583984375,
  26.3935546875,
  14.996337890625,
  12.596923828125,
  8.7978515625,
  1.599609375,
  2.0994873046875,
  3.2991943359375,
  14.596435546875,
];
const PYTHON_Q6_K = [
  127.2689208984375,
  -147.9638671875,
  -234.8426513671875,
  246.33984375,
  -303.92578125,
  -57.98583984375,
  233.6429443359375,
  345.0157470703125,
  10.4974365234375,
  209.94873046875,
];
const PYTHON_Q4_0 = [-0.6998291015625, 0.0, 0.199951171875, -0.6998291015625, -0.0999755859375];
const PYTHON_Q8_0 = [1.6995849609375, 2.3994140625, 12.197021484375, -12.6968994140625, -2.199462890625];

describe("blocksToFloats()", () => {
  for (const [type, encode] of Object.entries(ENCODERS) as [keyof typeof ENCODERS, Encode][]) {
    test(`expands what a plain encoder made of ${type}, to the last bit`, () => {
      const r = random(7);
      for (let round = 0; round < 40; round++) {
        const blocks = [encode(r), encode(r)];
        const bytes = Uint8Array.from(blocks.flatMap((block) => [...block.bytes]));
        assertEquals(expand(type, bytes), Float32Array.from(blocks.flatMap((block) => block.values)));
      }
    });
  }

  test("expands a block of Q8_0 made by hand", () => {
    // 0x3800 is 0.5.
    const bytes = Uint8Array.of(0x00, 0x38, 0x7f, 0x80, 0xff, ...new Uint8Array(29));
    assertEquals([...expand("Q8_0", bytes).slice(0, 4)], [63.5, -64, -0.5, 0]);
  });

  test("expands a block of Q4_0 made by hand", () => {
    const bytes = Uint8Array.of(0x00, 0x40, 0xf0, 0x19, ...new Uint8Array(14).fill(0x88));
    const values = expand("Q4_0", bytes);
    assertEquals([values[0], values[1], values[2], values[16], values[17], values[31]], [
      -16,
      2,
      0,
      14,
      -14,
      0,
    ]);
  });

  test("expands a block of Q4_K made by hand", () => {
    const bytes = new Uint8Array(144);
    bytes.set([0x00, 0x3c, 0x00, 0x38]); // d 1, dmin 0.5
    bytes.set([0xc2, 0, 0, 0, 0x45, 0, 0, 0, 0x31], 4); // Group 0: scale 2, min 5; group 4: scale 1 + 3 * 16, min 3 + 1 * 16.
    bytes[16] = 0x47; // Element 0 is 7, element 32 is 4.
    bytes[80] = 0x0f; // Element 128 is 15.
    const values = expand("Q4_K", bytes);
    assertEquals([values[0], values[1], values[32], values[128], values[129]], [11.5, -2.5, 0, 725.5, -9.5]);
  });

  test("expands a block of Q6_K made by hand", () => {
    const bytes = new Uint8Array(210);
    bytes[0] = 0x5a; // Low bits: element 0 is 10, element 64 is 5.
    bytes[96] = 0xf0; // In the second half, element 160 is 0, element 224 is 15.
    bytes[128] = 0b00_10_00_11; // Upper bits: element 0 has 3, element 64 has 2.
    bytes[160] = 0b11_00_00_00; // Element 224 has 3.
    bytes[192] = 0xff; // Scale of elements 0 to 15: -1.
    bytes[192 + 4] = 2; // Of 64 to 79.
    bytes[192 + 14] = 1; // Of 224 to 239.
    bytes.set([0x00, 0x40], 208); // d 2
    const values = expand("Q6_K", bytes);
    assertEquals([values[0], values[64], values[224], values[1]], [-52, 20, 62, 64]);
  });

  test("gives the values that the format's own Python package gives", () => {
    // Bytes 7 i + 3 modulo 256, with 0x2e66 (about 0.1) for every float16 number.
    const block = (size: number, halves: number[]): Uint8Array => {
      const bytes = Uint8Array.from({ length: size }, (_, i) => 7 * i + 3);
      for (const at of halves) bytes.set([0x66, 0x2e], at);
      return bytes;
    };
    const at = (type: GgufType, bytes: Uint8Array, ...indices: number[]): number[] => {
      const values = expand(type, bytes);
      return indices.map((i) => values[i]!);
    };
    const K = [0, 31, 32, 63, 64, 127, 128, 160, 200, 255];
    assertEquals(at("Q4_K", block(144, [0, 2]), ...K), PYTHON_Q4_K);
    assertEquals(at("Q6_K", block(210, [208]), ...K), PYTHON_Q6_K);
    assertEquals(at("Q4_0", block(18, [0]), 0, 1, 15, 16, 31), PYTHON_Q4_0);
    assertEquals(at("Q8_0", block(34, [0]), 0, 1, 15, 16, 31), PYTHON_Q8_0);
  });

  test("expands float32, float16 and bfloat16, at addresses of any alignment", () => {
    const values = Float32Array.of(1.5, -0.25, 1024);
    const forms: [GgufType, ArrayBuffer][] = [
      ["F32", values.buffer],
      ["F16", floatsToHalves(values).buffer],
      ["BF16", floatsToBrains(values).buffer],
    ];
    for (const [type, buffer] of forms) {
      const moved = new Uint8Array(buffer.byteLength + 1);
      moved.set(new Uint8Array(buffer), 1);
      assertEquals(expand(type, moved.subarray(1)), values);
    }
  });

  test("keeps an infinite scale and NaN without a crash", () => {
    const bytes = Uint8Array.of(0x00, 0x7c, 1, 0, ...new Uint8Array(30));
    const values = expand("Q8_0", bytes);
    assertEquals(values[0], Infinity);
    assert(Number.isNaN(values[1]));
  });
});
