import { describe, test } from "node:test";
import { assertEquals } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { KeyStream } from "./_test_choices.ts";
import { DEVICES } from "./_test_heads.ts";
import { keyExtremes, PageExtremes, pageScores } from "./lserve_pages.ts";

const SIZES = { page: 8, logicalPerPage: 4 };
const device = DEVICES["reference"]!;

/** Scores of the first pages by extremes of all keys at once. */
async function scoresAtOnce(keys: KeyStream, query: Float32Array, pages: number): Promise<Float32Array> {
  using d = device.scope();
  const { page, logicalPerPage } = SIZES;
  const extremes = keyExtremes(d, keys.tensor(d, 0, pages * page), page / logicalPerPage);
  const q = d.tensor(query, [query.length / keys.shape[2], keys.shape[2]]);
  return await pageScores(d, q, extremes, pages * logicalPerPage, logicalPerPage).read();
}

async function scoresOf(
  kept: PageExtremes,
  query: Float32Array,
  headDim: number,
  pages: number,
): Promise<Float32Array> {
  using d = device.scope();
  return await kept.scores(d, d.tensor(query, [query.length / headDim, headDim]), pages).read();
}

describe("pageScores()", () => {
  test("scores a page that is filled in part by the keys that it has", async () => {
    using d = device.scope();
    // One column; logical pages of 2 keys, pages of 4: the last one has a key only, below 0.
    const k = d.tensor(Float32Array.of(1, 2, -3, 4, -5), [1, 5, 1]);
    const q = d.tensor(Float32Array.of(1, -1), [2, 1]);
    assertEquals([...await pageScores(d, q, keyExtremes(d, k, 2), 3, 2).read()], [4, -5, 3, 5]);
  });
});

for (const [name, device] of Object.entries(DEVICES)) {
  describe(`PageExtremes on ${name}`, () => {
    test("holds the same however tokens come, also when it grows", async () => {
      const r = random(2);
      const keys = new KeyStream([2, 2500, 3], 1);
      const query = r.normals(4 * 3);
      using kept = new PageExtremes(device, 2, 3, SIZES);
      let length = 0;
      while (length < 2500) {
        const end = Math.min(2500, length + [1, 3, 8, 40, 700][r.int(0, 5)]!);
        keys.feed(device, kept, length, end);
        length = end;
      }
      using d = device.scope();
      const scores = await kept.scores(d, d.tensor(query, [4, 3]), 312).read();
      (await scoresAtOnce(keys, query, 312)).forEach((expected, i) => {
        assertEquals(Math.abs(scores[i]! - expected) < 1e-5, true);
      });
    });
  });
}

describe("PageExtremes", () => {
  test("forgets exactly up to a page, and far back whole logical pages exactly", async () => {
    const r = random(3);
    for (let round = 0; round < 60; round++) {
      const keys = new KeyStream([2, 120, 3], round);
      using kept = new PageExtremes(device, 2, 3, SIZES);
      const length = r.int(1, 90);
      keys.feed(device, kept, 0, length);
      const near = r.int(Math.max(0, length - 8), length + 1);
      const far = r.int(0, length + 1);
      const cut = round % 2 ? near : far - far % 2;
      kept.truncate(cut);
      const other = keys.branch(cut, 1000 + round);
      other.feed(device, kept, cut, 120);
      const query = r.normals(4 * 3);
      assertEquals(await scoresOf(kept, query, 3, 15), await scoresAtOnce(other, query, 15));
    }
  });

  test("keeps bounds of the logical page that a far cut goes through", async () => {
    const keys = new KeyStream([1, 200, 3], 1);
    using kept = new PageExtremes(device, 1, 3, SIZES);
    keys.feed(device, kept, 0, 100);
    // Of page 5, token 40 stays and 41 goes: both are of one logical page.
    kept.truncate(41);
    const other = keys.branch(41, 2);
    other.feed(device, kept, 41, 80);
    const query = random(4).normals(3 * 8);
    const [scores, expected] = [await scoresOf(kept, query, 3, 10), await scoresAtOnce(other, query, 10)];
    let wider = 0;
    scores.forEach((score, i) => {
      if (i % 10 !== 5) assertEquals(score, expected[i]);
      assertEquals(score >= expected[i]!, true);
      wider += Number(score > expected[i]!);
    });
    assertEquals(wider > 0, true);
  });
});
