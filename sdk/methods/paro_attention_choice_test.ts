import { describe, test } from "node:test";
import { assertEquals } from "../testing/assert.ts";
import { GRID } from "./_test_paro.ts";
import { chooseOrders, chooseTiles, halfShared, orderFigures } from "./paro_attention_choice.ts";
import { firstOfSame, orderTokens } from "./paro_attention_orders.ts";

describe("orders", () => {
  test("walk the grid along their axes, text first", () => {
    assertEquals([...orderTokens([2, 2, 3], 1, 0)], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    assertEquals([...orderTokens([2, 2, 3], 1, 4)], [0, 1, 7, 4, 10, 2, 8, 5, 11, 3, 9, 6, 12]);
    for (let order = 0; order < 6; order++) {
      assertEquals([...orderTokens(GRID.dims, 7, order)].sort((a, b) => a - b), [...Array(67).keys()]);
    }
  });

  test("coincide where an axis has one token", () => {
    assertEquals([0, 1, 2, 3, 4, 5].map((order) => firstOfSame([1, 4, 5], order)), [0, 1, 0, 0, 1, 1]);
    assertEquals([0, 1, 2, 3, 4, 5].map((order) => firstOfSame([3, 4, 5], order)), [0, 1, 2, 3, 4, 5]);
    assertEquals(orderTokens([1, 4, 5], 2, 5), orderTokens([1, 4, 5], 2, 1));
  });
});

describe("choices", () => {
  test("orders weigh emptiness against evenness, the lowest of equals", () => {
    const sparse = Float64Array.of(0.5, 0.9, 0.9, 0, 0, 0);
    const quant = Float64Array.of(1, 5, 5, 9, 9, 9);
    const all = [0, 1, 2, 3, 4, 5];
    const chosen = (alpha: number): number =>
      chooseOrders(orderFigures(sparse, quant, all, alpha).score, 1, all)[0]!;
    assertEquals([chosen(1), chosen(0)], [1, 0]);
    const flat = orderFigures(new Float64Array(6).fill(1), new Float64Array(6), all, 0.5);
    assertEquals(flat.score, [[0, 0, 0, 0, 0, 0]]);
    assertEquals(chooseOrders([[3, 1, 0, 9, 9, 9], [0, 1, 4, 9, 9, 9]], 1, all), [1, 1]);
  });

  test("masks take the largest tiles, and beside them text, the last row and the last column", () => {
    const sums = Float64Array.of(0, 0, 0, 0, 0, 3, 5, 9, 0, 3, 1, 9, 9, 9, 9, 9);
    const mask = (density: number, text: number): string => chooseTiles(sums, 4, density, text).join("");
    assertEquals(mask(0, 0), "0001000100011111");
    assertEquals(mask(0.44, 0), "0001001100011111");
    assertEquals(mask(0.5, 1), "1111111110011111");
  });

  test("steps of the second half share a mask", () => {
    assertEquals([1, 2, 4, 5].map(halfShared), [[0], [0, 1], [0, 1, 2, 2], [0, 1, 2, 2, 2]]);
  });
});
