/**
 * Denoises two small videos by attention alone, dense and by methods for video diffusion, and draws the first one.
 *
 *     deno run -A examples/video_denoise.ts [picture.svg]        (or: bun examples/video_denoise.ts)
 *
 * There are no weights: scores are distances of patches, so that what a method leaves out shows against the result of dense attention.
 *
 * @module
 */
import { writeFile } from "node:fs/promises";
import process from "node:process";
import { openDevice } from "../mod.ts";
import { blobVideo } from "../sdk/compare/video.ts";
import { offlineRows } from "../sdk/compare/video_offline_rows.ts";
import { compareVideos, VIDEO_ROWS } from "../sdk/compare/video_rows.ts";
import { videoSvg } from "../sdk/compare/video_svg.ts";

const SEEDS = [0, 1];
const picture = process.argv[2] ?? new URL("video_denoise.svg", import.meta.url);
using device = await openDevice();

const { rows } = await offlineRows(device);
const scores = await compareVideos(device, [...VIDEO_ROWS, ...rows], SEEDS);
const share = (value: number): string => `${(100 * value).toFixed(1)} %`.padStart(12);
const decibels = (value: number): string =>
  (Number.isFinite(value) ? `${value.toFixed(1)} dB` : "").padStart(13);
console.log(`${"attention".padEnd(32)}    computed   kept mass     vs dense     vs clean`);
for (const { name, density, recall, vsDense, vsClean } of scores) {
  console.log(`${name.padEnd(32)}${share(density)}${share(recall)}${decibels(vsDense)}${decibels(vsClean)}`);
}

const shown = (row: string): Float32Array => scores.find(({ name }) => name === row)!.video;
const { noisy, clean } = blobVideo(SEEDS[0]!);
const drawn = ["dense", "adaSpa 0.8"].map((name) => ({ title: name, video: shown(name) }));
await writeFile(
  picture,
  videoSvg([{ title: "clean", video: clean }, { title: "noisy", video: noisy }, ...drawn]),
);
