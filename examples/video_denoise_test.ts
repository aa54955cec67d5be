import { before, describe, test } from "node:test";
import { openDevice } from "../sdk/device/mod.ts";
import { compareVideos, VIDEO_ROWS, type VideoScore } from "../sdk/compare/video_rows.ts";
import { videoSvg } from "../sdk/compare/video_svg.ts";
import { assert, assertEquals } from "../sdk/testing/assert.ts";

describe("examples/video_denoise.ts", () => {
  let scores: readonly VideoScore[] = [];
  const row = (name: string): VideoScore => scores.find((score) => score.name.trim() === name)!;
  before(async () => {
    using device = await openDevice({ prefer: "wasm" });
    scores = await compareVideos(device, VIDEO_ROWS, [0, 1]);
  });

  test("adaSpa 0.8 beats random rows of the same budget by at least 6 dB", () => {
    const [chosen, chance] = [row("adaSpa 0.8"), row("random rows, as many blocks")];
    assert(Math.abs(chosen.density - chance.density) < 0.005);
    assert(chosen.vsDense >= chance.vsDense + 6);
    assert(chosen.recall > 0.7 && chance.recall < 0.3);
  });

  test("the cached log-sum-exp costs less than 2 dB", () => {
    assert(row("adaSpa 0.8").vsDense > row("without cached lse").vsDense - 2);
  });

  test("dense attention removes noise, and adaSpa as much", () => {
    assert(row("dense").vsClean > 20);
    assert(row("adaSpa 0.8").vsClean > row("dense").vsClean - 1);
  });

  test("the picture shows every frame of every panel", () => {
    const svg = videoSvg([{ title: "dense", video: row("dense").video }, {
      title: "a < b",
      video: row("dense").video,
    }]);
    assertEquals(svg.match(/<g class="f f\d">/g)?.length, 16);
    assert(svg.includes(">a &#60; b</text>"));
  });
});
