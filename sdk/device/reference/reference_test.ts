import { describe, test } from "node:test";
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "../../testing/assert.ts";
import { createDevice } from "../core_device.ts";
import { OutOfMemoryError } from "../errors.ts";
import {
  attend,
  binary,
  cast,
  compact,
  embedCells,
  groupMean,
  layerNorm,
  linear,
  matmul,
  reduce,
  rmsNorm,
  rope,
  sample,
  type SampleOptions,
  scaleAdd,
  scan,
  softmax,
  topk,
  unary,
} from "../ops/mod.ts";
import type { Tensor } from "../tensor.ts";
import { erf } from "./_functions.ts";
import { openReference } from "./mod.ts";

const device = createDevice(openReference());

const f32 = (values: readonly number[], ...shape: number[]): Tensor =>
  device.tensor(Float32Array.from(values), shape.length > 0 ? shape : [values.length]);
const i32 = (...values: number[]): Tensor => device.tensor(Int32Array.from(values), [values.length]);

/** Values worked out by hand or with mpmath, compared to seven digits. */
async function expectValues(tensor: Tensor, expected: readonly number[]): Promise<void> {
  const actual = await tensor.read();
  assertEquals(actual.length, expected.length);
  expected.forEach((value, i) => {
    if (Number.isFinite(value)) assertAlmostEquals(actual[i]!, value, 1e-6 * Math.max(1, Math.abs(value)));
    else assertEquals(actual[i], value);
  });
}

describe("the reference device", () => {
  test("knows the error function", () => {
    const known: [number, number][] = [
      [0, 0],
      [0.5, 0.5204998778130465],
      [1, 0.8427007929497149],
      [2.5, 0.999593047982555],
      [5, 0.9999999999984626],
      [7, 1],
    ];
    for (const [x, value] of known) {
      assertAlmostEquals(erf(x), value, 1e-14);
      assertAlmostEquals(erf(-x), -value, 1e-14);
    }
  });

  test("applies elementwise functions", async () => {
    await expectValues(unary(device, "gelu", f32([-1, 0, 2, -Infinity])), [-0.15865525, 0, 1.9544997, 0]);
    await expectValues(unary(device, "silu", f32([-1, 0, 2])), [-0.26894142, 0, 1.7615942]);
    await expectValues(unary(device, "relu", f32([-1, 0, 2])), [0, 0, 2]);
    await expectValues(unary(device, "sigmoid", f32([-2, 0])), [0.11920292, 0.5]);
    await expectValues(unary(device, "log", f32([0, Math.E])), [-Infinity, 1]);
  });

  test("spreads the second tensor over rows or columns", async () => {
    const a = f32([1, 2, 3, 4, 5, 6], 2, 3);
    await expectValues(binary(device, "add", a, f32([10, 20, 30])), [11, 22, 33, 14, 25, 36]);
    await expectValues(binary(device, "sub", a, f32([1, 2])), [0, 1, 2, 2, 3, 4]);
    await expectValues(binary(device, "div", a, f32([2])), [0.5, 1, 1.5, 2, 2.5, 3]);
    const square = f32([1, 2, 3, 4], 2, 2);
    await expectValues(binary(device, "mul", square, f32([1, 10])), [1, 20, 3, 40]);
    await expectValues(binary(device, "mul", square, f32([1, 10]), { axis: "rows" }), [1, 2, 30, 40]);
  });

  test("multiplies by weights, adds a bias, activates, then adds a residual", async () => {
    const x = f32([1, 2, 3, 4], 2, 2);
    const w = device.weight(Float32Array.of(1, 1, -1, 0), [2, 2]);
    await expectValues(linear(device, x, w), [3, -1, 7, -3]);
    const options = {
      bias: f32([0, 2]),
      activation: "relu",
      residual: f32([100, 200, 300, 400], 2, 2),
    } as const;
    await expectValues(linear(device, x, w, options), [103, 201, 307, 400]);
    const q = device.weight(Int8Array.of(2, -4, 1, 1), [2, 2], Float32Array.of(0.5, 10));
    await expectValues(linear(device, x, q), [-3, 30, -5, 70]);
    const grouped = device.weight(Int8Array.of(2, -4, 1, 1), [2, 2], Float32Array.of(0.5, 1, 10, 100));
    await expectValues(linear(device, x, grouped), [-7, 210, -13, 430]);
  });

  test("multiplies by int4 weights, low nibble first, with scales of groups", async () => {
    const x = f32([1, 10, 100, 1000], 1, 4);
    const nibbles = Uint8Array.of(0x19, 0x7f, 0x80, 0xa8); // 1, -7, 7, -1 and -8, 0, 0, 2
    const whole = device.weight(nibbles, [2, 4], Float32Array.of(2, 0.5));
    await expectValues(linear(device, x, whole), [-738, 996]);
    const grouped = device.weight(nibbles, [2, 4], Float32Array.of(1, 2, 3, 4));
    await expectValues(linear(device, x, grouped), [-669, 7976]);
  });

  test("multiplies matrices with the second transposed", async () => {
    const a = f32([1, 2, 3, 4, 5, 6, 7, 8], 2, 2, 2);
    await expectValues(matmul(device, a, f32([1, 0, 0, 2], 2, 2), { alpha: 3 }), [
      3,
      12,
      9,
      24,
      15,
      36,
      21,
      48,
    ]);
  });

  test("normalises rows", async () => {
    const x = f32([1, 2, 3, 4], 1, 4);
    const [weight, bias] = [f32([1, 1, 2, 1]), f32([0, 0, 1, 0])];
    await expectValues(layerNorm(device, x, weight, bias, { eps: 0 }), [
      -1.3416408,
      -0.4472136,
      1.8944272,
      1.3416408,
    ]);
    await expectValues(rmsNorm(device, x, weight, { eps: 0 }), [
      0.36514837,
      0.73029674,
      2.1908902,
      1.4605935,
    ]);
    await expectValues(softmax(device, x, { scale: 2 }), [0.00214401, 0.01584220, 0.11705891, 0.86495488]);
  });

  test("rotates pairs", async () => {
    const freqs = f32([Math.PI / 2]);
    const x = (): Tensor => f32([1, 2, 3, 4, 5, 6], 3, 2);
    await expectValues(rope(device, x(), freqs, { heads: 1, headDim: 2 }), [1, 2, -4, 3, -5, -6]);
    await expectValues(rope(device, x(), freqs, { heads: 1, headDim: 2, start: 1, length: 2 }), [
      -2,
      1,
      -3,
      -4,
      -6,
      5,
    ]);
    const four = f32([9, 1, 2, 3, 4], 1, 5);
    const two = f32([Math.PI / 2, Math.PI]);
    await expectValues(
      rope(device, four, two, { heads: 1, headDim: 4, offset: 1, start: 1, interleaved: false }),
      [9, -3, -2, 1, -4],
    );
  });

  test("attends to visible keys only", async () => {
    const q = f32([1, 0, 0, 0], 1, 2, 2);
    const k = f32([Math.log(3), 0, 0, 5, 9, 9], 1, 3, 2);
    const v = f32([1, 10, 5, 50, 100, 1000], 1, 3, 2);
    const heads = { heads: 1, headDim: 2, scale: 1, lse: true } as const;
    const mask = device.tensor(Uint8Array.of(1, 1, 0, 0, 0, 0), [2, 3]);
    const masked = attend(device, q, k, v, { ...heads, mask });
    await expectValues(masked.out, [2, 20, 0, 0]);
    await expectValues(masked.lse, [Math.log(4), -Infinity]);
    await expectValues(attend(device, q, k, v, { ...heads, lens: i32(2) }).out, [2, 20, 3, 30]);
    await expectValues(attend(device, q, k, v, { ...heads, lens: i32(0) }).lse, [-Infinity, -Infinity]);
    await expectValues(attend(device, q, k, v, { ...heads, causal: true }).out, [2, 20, 106 / 3, 1060 / 3]);
    await expectValues(attend(device, q, k, v, { ...heads, keys: 1 }).out, [1, 10, 1, 10]);
    await expectValues(attend(device, q, k, v, { ...heads, keys: 0 }).lse, [-Infinity, -Infinity]);
  });

  test("lets groups of query heads share keys", async () => {
    const q = f32([0, 0, 0, 0], 1, 1, 4);
    const kv = f32([1, 2, 3, 4], 1, 1, 4);
    const out = attend(device, q, { tensor: kv }, { tensor: kv, offset: 2 }, {
      heads: 4,
      kvHeads: 2,
      headDim: 1,
    });
    await expectValues(out, [3, 3, 4, 4]);
  });

  test("turns numbers into vectors", async () => {
    const [w, bias] = [f32([2, 3]), f32([0, 1])];
    await expectValues(embedCells(device, f32([1, -100]), w, bias), [2, 4, -200, -299]);
    await expectValues(embedCells(device, f32([1, -100]), w, bias, { skip: -100 }), [2, 4, -100, -100]);
    await expectValues(scaleAdd(device, f32([2, 3]), f32([1, 2, 3, 4], 2, 2), f32([0, 1, 0, 1], 2, 2)), [
      2,
      5,
      9,
      13,
    ]);
  });

  test("averages groups of members", async () => {
    const x = f32([1, 2, 3, 4, 5, 6], 2, 3, 1);
    await expectValues(groupMean(device, x, 2), [1.5, 1.5, 4.5, 3]);
    await expectValues(groupMean(device, x, 2, { divisor: "real" }), [1.5, 3, 4.5, 6]);
    await expectValues(groupMean(device, x, 2, { counts: i32(1, 2) }), [1, 0, 4.5, 0]);
    await expectValues(groupMean(device, x, 2, { counts: i32(3), rowsPerCount: 2 }), [1.5, 3, 4.5, 6]);
  });

  test("reduces rows and finds their largest", async () => {
    const x = f32([3, 1, 3, 2, -1, 0, -5, 0], 2, 4);
    await expectValues(reduce(device, "sum", x), [9, -6]);
    await expectValues(reduce(device, "mean", x), [2.25, -1.5]);
    await expectValues(reduce(device, "max", x), [3, 0]);
    await expectValues(reduce(device, "min", x), [1, -5]);
    const { values, indices } = topk(device, x, 3);
    await expectValues(values, [3, 3, 2, 0, 0, -1]);
    assertEquals(await indices.read("i32"), Int32Array.of(0, 2, 3, 1, 3, 0));
  });

  test("adds up rows", async () => {
    const x = f32([3, 1, 4, -1, 5, 9], 2, 3);
    await expectValues(scan(device, x), [3, 4, 8, -1, 4, 13]);
    await expectValues(scan(device, x, { exclusive: true }), [0, 3, 4, 0, -1, 4]);
    assertEquals(
      await scan(device, i32(2 ** 31 - 1, 1, 5)).read("i32"),
      Int32Array.of(2 ** 31 - 1, -(2 ** 31), 5 - 2 ** 31),
    );
    assertEquals(await scan(device, i32(7, 1, 5), { exclusive: true }).read("i32"), Int32Array.of(0, 7, 8));
  });

  test("lists the columns of flags", async () => {
    const flags = device.tensor(Int32Array.of(0, 1, -1, 7, 0, 0, 0, 1), [2, 4]);
    const all = compact(device, flags);
    assertEquals(await all.indices.read("i32"), Int32Array.of(1, 2, 3, -1, 3, -1, -1, -1));
    assertEquals(await all.counts.read("i32"), Int32Array.of(3, 1));
    const two = compact(device, flags, { capacity: 2 });
    assertEquals(await two.indices.read("i32"), Int32Array.of(1, 2, 3, -1));
    assertEquals(await two.counts.read("i32"), Int32Array.of(2, 1));
  });

  test("draws as often as softmax says", async () => {
    const logits = [0, 1, -Infinity, 2.5, -1];
    const rows = 20000;
    const x = f32(Array.from({ length: rows }, () => logits).flat(), rows, logits.length);
    for (const temperature of [1, 2]) {
      const shares = await softmax(device, f32(logits), { scale: 1 / temperature }).read();
      for (const options of [{ seed: 0, draw: 0 }, { seed: 1, draw: 0 }, { seed: 0, draw: 1 }]) {
        const counts = new Float64Array(logits.length);
        for (const c of await sample(device, x, { temperature, ...options }).read("i32")) counts[c]!++;
        assertEquals(counts[2], 0);
        // Chi-squared with 3 degrees of freedom: above 16.3 once in a thousand times.
        const distance = counts.reduce((sum, count, c) => {
          const expected = rows * shares[c]!;
          return expected === 0 ? sum : sum + (count - expected) ** 2 / expected;
        }, 0);
        assert(distance < 16.3, `chi-squared is ${distance} at temperature ${temperature}`);
      }
    }
  });

  test("draws the same for the same seed and draw, and something else for others", async () => {
    const x = f32(new Array(8 * 1000).fill(0), 8, 1000);
    const draws = (options: SampleOptions): Promise<Int32Array> => sample(device, x, options).read("i32");
    const first = await draws({ seed: 5, draw: 2 });
    assertEquals(await draws({ seed: 5, draw: 2 }), first);
    assert((await draws({ seed: 5, draw: 3 })).every((c, r) => c !== first[r]));
    assert((await draws({ seed: 6, draw: 2 })).every((c, r) => c !== first[r]));
    assert(new Set(first).size > 6);
  });

  test("draws -Infinity only where there is nothing else", async () => {
    const x = f32([-Infinity, -Infinity, -Infinity, -1e30], 2, 2);
    for (let draw = 0; draw < 20; draw++) {
      assertEquals(await sample(device, x, { draw }).read("i32"), Int32Array.of(0, 1));
    }
  });

  test("casts to the nearest, ties to even", async () => {
    assertEquals(
      await cast(device, f32([0.5, 1.5, 2.5, -0.5, -1.5, 1e12, 1.2]), "i32").read("i32"),
      Int32Array.of(0, 2, 2, 0, -2, 2 ** 31 - 1, 1),
    );
    assertEquals(await cast(device, f32([1, 65520]), "f16").read("f16"), Uint16Array.of(0x3c00, 0x7c00));
  });

  test("throws OutOfMemoryError where memory ends", () => {
    const error = assertThrows(() => device.empty([2 ** 50]), OutOfMemoryError);
    assertEquals(error.requested, 2 ** 52);
    assert(error.held > 0);
  });
});
