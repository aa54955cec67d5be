import { describe, test } from "node:test";
import { assertEquals, assertThrows } from "../sdk/testing/assert.ts";
import { type Op, OPS } from "../sdk/device/ops.ts";
import { decodeBase64 } from "./compile.ts";
import { differingOps, encodeOp } from "./encode.ts";
import { hostEnv, VARIANTS } from "./env.ts";
import { startKernels } from "./instance.ts";

function area(): { words: Uint32Array<ArrayBuffer>; floats: Float32Array<ArrayBuffer> } {
  const buffer = new ArrayBuffer(256);
  return { words: new Uint32Array(buffer), floats: new Float32Array(buffer) };
}

describe("encodeOp()", () => {
  test("writes tensors as addresses, missing ones as 0, integers and floats in the schema's order", () => {
    const record = area();
    const op: Op = {
      op: "linear",
      x: 1,
      w: 2,
      scales: 0,
      bias: 3,
      residual: 0,
      out: 4,
      m: 5,
      n: 6,
      k: 7,
      wtype: 1,
      group: 7,
      activation: 2,
    };
    assertEquals(encodeOp(op, record, (id) => id * 0x4000_0000 / 2), OPS.linear.code);
    assertEquals(
      [...record.words.subarray(0, 12)],
      [0x2000_0000, 0x4000_0000, 0, 0x6000_0000, 0, 0x8000_0000, 5, 6, 7, 1, 7, 2],
    );
    encodeOp({ op: "fill", out: 1, n: 2, value: -0.5 }, record, (id) => id);
    assertEquals([record.words[0], record.words[1], record.floats[2]], [1, 2, -0.5]);
  });

  test("refuses an operation that does not exist", () => {
    assertThrows(() => encodeOp({ op: "toString" } as unknown as Op, area(), (id) => id), TypeError);
  });
});

describe("differingOps()", () => {
  for (const variant of VARIANTS) {
    test(`finds no difference between the schema and the ${variant} build`, async () => {
      const module = new WebAssembly.Module(decodeBase64(await hostEnv.load(variant)));
      const { kernels } = startKernels(module, hostEnv);
      assertEquals(differingOps((code) => kernels.op_words(code)), []);
    });
  }

  test("names the operations whose records differ", () => {
    const words = (code: number): number => code === OPS.fill.code ? 4 : Object.keys(byCode(code)).length;
    assertEquals(differingOps(words), ["fill"]);
  });
});

describe("decodeBase64()", () => {
  test("decodes bytes of every value", () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
    assertEquals(decodeBase64(btoa(String.fromCharCode(...bytes))), bytes);
  });
});

function byCode(code: number): object {
  return Object.values(OPS).find((op) => op.code === code)?.fields ?? {};
}
