import { describe, test } from "node:test";
import { createDevice } from "../device/core_device.ts";
import { openReference } from "../device/reference/mod.ts";
import { assert, assertAlmostEquals, assertEquals } from "../testing/assert.ts";
import { blobVideo, denoiseVideo, denseVideo, psnr, VIDEO_HEAD_DIM, videoHeads } from "./video.ts";

const GRID = { frames: 2, height: 3, width: 4 };

describe("the video that attention denoises", () => {
  test("scores are minus the squared distance, but for what all keys of a query share", () => {
    const { noisy } = blobVideo(4, GRID);
    const { q, k, v } = videoHeads(noisy, 2, GRID);
    const row = (x: Float32Array, head: number, i: number) => {
      const at = (head * noisy.length + i) * VIDEO_HEAD_DIM;
      return [...x.subarray(at, at + VIDEO_HEAD_DIM)];
    };
    const score = (head: number, i: number, j: number) =>
      row(q, head, i).reduce((sum, value, c) => sum + value * row(k, head, j)[c]!, 0) /
      Math.sqrt(VIDEO_HEAD_DIM);
    const distance = (head: number, i: number, j: number) =>
      row(k, head, i).slice(0, 30).reduce((sum, value, c) => sum + (value - row(k, head, j)[c]!) ** 2, 0);
    for (const [head, i, j] of [[0, 3, 17], [1, 0, 23], [2, 9, 9], [3, 20, 1]] as const) {
      assertAlmostEquals(score(head, i, j) - score(head, i, i), -distance(head, i, j), 1e-3);
      assertEquals(row(v, head, i)[0], noisy[i]);
    }
  });

  test("has one patch everywhere and stays as it is when it is even, also with one frame", async () => {
    const device = createDevice(openReference());
    const even = new Float32Array(20).fill(0.7);
    const { video } = await denoiseVideo(device, even, denseVideo, { frames: 1, height: 4, width: 5 });
    assert(video.every((value) => Math.abs(value - 0.7) < 1e-6));
    device.dispose();
  });

  test("the peak signal-to-noise ratio counts the range of the reference", () => {
    assertAlmostEquals(psnr([0.1, 1.9], [0, 2]), 10 * Math.log10(4 / 0.01), 1e-9);
    assertEquals(psnr([1, 2], [1, 2]), Infinity);
  });
});
