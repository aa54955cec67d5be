import { describe, test } from "node:test";
import { createDevice } from "../device/core_device.ts";
import { openReference } from "../device/reference/mod.ts";
import { assertEquals } from "../testing/assert.ts";
import { alignedRows, blockTiles } from "./block_lists.ts";

const device = createDevice(openReference());

describe("alignedRows()", () => {
  test("never lets a block of rows lie in two blocks of positions", () => {
    for (const blockSize of [1, 4, 6, 16]) {
      for (let lk = 1; lk < 40; lk++) {
        for (let lq = 1; lq <= lk + 3; lq++) {
          const rows = alignedRows(lq, lk, blockSize);
          for (let from = 0; from < lq; from += rows) {
            const [first, last] = [from, Math.min(lq, from + rows) - 1].map((row) =>
              Math.floor((row + lk - lq) / blockSize)
            );
            assertEquals(first, last, `${lq} queries, ${lk} keys, blocks of ${blockSize}`);
          }
        }
      }
    }
  });

  test("keeps whole blocks for prompts, for chunks that begin with a block, and for one query", () => {
    assertEquals([alignedRows(100, 100, 64), alignedRows(100, 228, 64), alignedRows(1, 77, 64)], [
      64,
      64,
      64,
    ]);
  });
});

describe("blockTiles()", () => {
  test("shares one list when all heads agree, and makes one per head else", async () => {
    const grid = { lq: 4, lk: 6, blockQ: 2, tileK: 2 };
    const all = (key: number, j: number): boolean => j >= key;
    const one = blockTiles(device, grid, [1, 1, 1], all);
    assertEquals([one.shape, [...await one.read("i32")]], [[1, 2, 2], [2, -1, 2, 4]]);
    const two = blockTiles(device, grid, [1, 2, 1], all);
    assertEquals([two.shape, [...await two.read("i32")]], [[3, 2, 2], [
      2,
      -1,
      2,
      4,
      -1,
      -1,
      4,
      -1,
      2,
      -1,
      2,
      4,
    ]]);
  });

  test("lists nothing for queries before the first key", async () => {
    const tiles = blockTiles(device, { lq: 4, lk: 1, blockQ: 2, tileK: 2 }, [0], () => true);
    assertEquals([tiles.shape, [...await tiles.read("i32")]], [[1, 2, 1], [-1, 0]]);
  });
});
