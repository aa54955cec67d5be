import { describe, test } from "node:test";
import { assertEquals } from "../testing/assert.ts";
import { halfSplit, joinOutputs } from "./stored_linear.ts";

describe("halfSplit()", () => {
  test("puts the rows of pairs half a head apart, scales and bias with them", () => {
    const rows = Int8Array.of(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    const each = Float32Array.of(0, 1, 2, 3, 4, 5, 6, 7);
    const order = [0, 2, 1, 3, 4, 6, 5, 7];
    assertEquals(halfSplit({ data: rows, shape: [8, 2], scales: each, bias: each }, 4), {
      data: Int8Array.from(order.flatMap((row) => [row, row])),
      shape: [8, 2],
      scales: Float32Array.from(order),
      bias: Float32Array.from(order),
    });
  });
});

describe("joinOutputs()", () => {
  const floats = { data: Float32Array.of(1, 2, 3, 4), shape: [2, 2], bias: Float32Array.of(5, 6) } as const;
  const bytes = { data: Int8Array.of(1, 2), shape: [1, 2], scales: Float32Array.of(0.5) } as const;

  test("joins layers of one type", () => {
    const other = { data: Float32Array.of(7, 8), shape: [1, 2], bias: Float32Array.of(9) } as const;
    assertEquals(joinOutputs([floats, other]), [{
      data: Float32Array.of(1, 2, 3, 4, 7, 8),
      shape: [3, 2],
      bias: Float32Array.of(5, 6, 9),
    }]);
    assertEquals(joinOutputs([bytes, bytes])[0]!.scales, Float32Array.of(0.5, 0.5));
  });

  test("leaves layers alone whose elements or groups differ", () => {
    const finer = { ...bytes, scales: Float32Array.of(0.5, 0.25) };
    assertEquals(joinOutputs([floats, { ...bytes }]).length, 2);
    assertEquals(joinOutputs([bytes, finer]).length, 2);
  });
});
