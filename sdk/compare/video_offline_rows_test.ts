import { before, describe, test } from "node:test";
import { openDevice } from "../device/mod.ts";
import { assert, assertEquals } from "../testing/assert.ts";
import { offlineRows } from "./video_offline_rows.ts";
import { compareVideos, denseRow, randomRow, type VideoScore } from "./video_rows.ts";

describe("rows of methods that are calibrated before", () => {
  let [scores, modes, orders]: [readonly VideoScore[], readonly number[], readonly number[]] = [[], [], []];
  const row = (name: string): VideoScore => scores.find((score) => score.name.trim() === name)!;
  before(async () => {
    using device = await openDevice({ prefer: "wasm" });
    const { rows, ...chosen } = await offlineRows(device);
    scores = await compareVideos(device, [denseRow, ...rows, randomRow("random rows", 0.8, 1)], [0]);
    ({ modes, orders } = chosen);
  });

  test("paroAttention beats the natural order by at least 1 dB at the same density", () => {
    const [ordered, natural] = [row("paroAttention 0.2"), row("in the natural order")];
    assert(Math.abs(ordered.density - natural.density) < 0.01);
    assert(ordered.vsDense >= natural.vsDense + 1, `${ordered.vsDense} and ${natural.vsDense} dB`);
  });

  test("paroAttention puts frames side by side for heads that look along them", () => {
    assertEquals(orders, [4, 0, 0, 4]);
  });

  test("sparseVdit finds that head 0 looks along frames and the others around them", () => {
    assertEquals(modes, [3, 2, 2, 2]);
  });

  test("sparseVdit removes noise at a fifth of the tiles, better than random ones", () => {
    const [chosen, chance] = [row("sparseVdit"), row("random rows")];
    assert(Math.abs(chosen.density - chance.density) < 0.01);
    assert(chosen.vsDense > chance.vsDense + 1, `${chosen.vsDense} and ${chance.vsDense} dB`);
  });

  test("efficientVdit falls with the number of references", () => {
    const falls = ["4:4", "2:6", "1:7"].map((mask) => row(`efficientVdit ${mask}`));
    assertEquals(falls.map(({ density }) => density.toFixed(2)), ["0.81", "0.53", "0.34"]);
    assert(falls[0]!.vsDense > falls[1]!.vsDense && falls[1]!.vsDense > falls[2]!.vsDense);
  });
});
