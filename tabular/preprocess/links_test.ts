import { describe, test } from "node:test";
import { assert, assertEquals } from "../../sdk/testing/assert.ts";
import { drawLinks, rowMask } from "./links.ts";
import { torchRandom } from "./torch_random.ts";

describe("drawLinks()", () => {
  test("takes the head of one permutation per token, behind the specials", () => {
    const links = drawLinks(torchRandom(1), 6, 2, 4);
    const generator = torchRandom(1);
    const expected = Array.from(
      { length: 6 },
      () => generator.randperm(6).slice(0, 2).map((link) => link + 4),
    );
    assertEquals(links, expected);
  });

  test("draws nothing for one token or no links", () => {
    const generator = torchRandom(1);
    assertEquals(drawLinks(generator, 1, 2, 4), [new Int32Array(0)]);
    assertEquals(drawLinks(generator, 3, 0, 4).map((list) => list.length), [0, 0, 0]);
    assertEquals(generator.randperm(9), torchRandom(1).randperm(9));
  });

  test("links every token when more links than tokens are asked for", () => {
    assertEquals(drawLinks(torchRandom(1), 3, 8, 1).map((list) => [...list].sort()), [[1, 2, 3], [1, 2, 3], [
      1,
      2,
      3,
    ]]);
  });
});

describe("rowMask()", () => {
  const allowed = (mask: Uint8Array, length: number, i: number) =>
    Array.from({ length }, (_, j) => j).filter((j) => mask[i * length + j] === 1);

  test("lets specials see all, and tokens see specials, themselves and their links", () => {
    const mask = rowMask(2, 4, [[5], [3], [], [2, 4]]);
    assertEquals(allowed(mask, 6, 0), [0, 1, 2, 3, 4, 5]);
    assertEquals([2, 3, 4, 5].map((i) => allowed(mask, 6, i)), [[0, 1, 2, 5], [0, 1, 3], [0, 1, 4], [
      0,
      1,
      2,
      4,
      5,
    ]]);
  });

  test("opens a window when asked to", () => {
    const mask = rowMask(1, 5, [], 1);
    assertEquals([1, 3, 5].map((i) => allowed(mask, 6, i)), [[0, 1, 2], [0, 2, 3, 4], [0, 4, 5]]);
    assert(rowMask(1, 5, [], 9).every((value) => value === 1));
  });
});
