/**
 * The frame masks of Efficient-vDiT: every frame sees itself and a few reference frames, which see all.
 *
 * @module
 */
import { checkVideo, type VideoLayout, videoLength } from "./video_layout.ts";

/** Tiles of one mask, counted. */
export interface FrameTileCounts {
  /** Blocks of queries, and of keys. */
  readonly blocks: number;
  /** Pairs of blocks that have a visible pair of tokens. */
  readonly touched: number;
  /** Pairs of blocks in which all tokens are visible. */
  readonly whole: number;
}

/**
 * The reference frames: 0, s, 2s, ... with s = ceil(frames / k). For some k they are fewer than k.
 *
 * @param k How many, at most; 0 for none.
 */
export function referenceFrames(frames: number, k: number): number[] {
  if (k <= 0) return [];
  const step = Math.ceil(frames / k);
  return Array.from({ length: Math.min(k, Math.ceil(frames / step)) }, (_, i) => i * step);
}

/** Whether a mask hides nothing: k below 0 says so, and as many references as frames, or up to two frames. */
export function isFull(frames: number, k: number): boolean {
  return k < 0 || k >= frames || frames <= 2;
}

/** Whether frame j is visible to frame i. */
export function seesFrame(frames: number, k: number): (i: number, j: number) => boolean {
  if (isFull(frames, k)) return () => true;
  const references = new Set(referenceFrames(frames, k));
  return (i, j) => i === j || references.has(i) || references.has(j);
}

/** Visible pairs of frames: all of them, or (2 r + 1) frames - r (r + 1) for r reference frames, which is linear in the frames. */
export function keptFrames(frames: number, k: number): number {
  if (isFull(frames, k)) return frames * frames;
  const r = referenceFrames(frames, k).length;
  return (2 * r + 1) * frames - r * (r + 1);
}

/** Visible pairs of tokens as a share of all. */
export function frameDensity(layout: VideoLayout, k: number): number {
  const { frames, tokensPerFrame, text } = layout;
  const length = videoLength(layout);
  const video = frames * tokensPerFrame;
  const hidden = (frames * frames - keptFrames(frames, k)) * tokensPerFrame * tokensPerFrame;
  return (video * video - hidden + 2 * video * text + text * text) / (length * length);
}

/** A run of slots of one kind: the frame, or -1 for text. */
export interface FrameRun {
  readonly frame: number;
  readonly begin: number;
  readonly end: number;
}

/**
 * Which frames lie in every block of a sequence.
 *
 * @param textLast Whether the text comes after the video.
 * @returns Of every block the runs of its slots, in order.
 */
export function framesOfBlocks(layout: VideoLayout, blockSize: number, textLast = false): FrameRun[][] {
  const { frames, tokensPerFrame, text } = layout;
  const length = videoLength(layout);
  const first = textLast ? 0 : text;
  const bounds: FrameRun[] = Array.from({ length: frames }, (_, frame) => ({
    frame,
    begin: first + frame * tokensPerFrame,
    end: first + (frame + 1) * tokensPerFrame,
  }));
  if (text > 0) bounds.push(textLast ? run(-1, length - text, length) : run(-1, 0, text));
  bounds.sort((a, b) => a.begin - b.begin);
  return Array.from({ length: Math.ceil(length / blockSize) }, (_, n) => {
    const [begin, end] = [n * blockSize, Math.min(length, (n + 1) * blockSize)];
    return bounds.filter((one) => one.begin < end && one.end > begin)
      .map((one) => run(one.frame, Math.max(begin, one.begin), Math.min(end, one.end)));
  });
}

/** Whether some and whether all pairs of two blocks are visible; text sees all and is seen by all. */
export function tileKind(
  sees: (i: number, j: number) => boolean,
  rows: readonly FrameRun[],
  keys: readonly FrameRun[],
): "none" | "part" | "whole" {
  let [some, all] = [false, true];
  for (const { frame: i } of rows) {
    for (const { frame: j } of keys) {
      if (i < 0 || j < 0 || sees(i, j)) some = true;
      else all = false;
    }
  }
  return !some ? "none" : all ? "whole" : "part";
}

/**
 * Counts the tiles of a mask; the share of `touched` among blocks^2 is what a kernel computes, and what the paper calls 1 - sparsity.
 *
 * @throws RangeError if the layout is none.
 */
export function frameTiles(layout: VideoLayout, k: number, blockSize: number): FrameTileCounts {
  checkVideo("frameTiles", layout);
  const blocks = framesOfBlocks(layout, blockSize);
  const sees = seesFrame(layout.frames, k);
  let [touched, whole] = [0, 0];
  for (const rows of blocks) {
    for (const keys of blocks) {
      const kind = tileKind(sees, rows, keys);
      if (kind !== "none") touched++;
      if (kind === "whole") whole++;
    }
  }
  return { blocks: blocks.length, touched, whole };
}

function run(frame: number, begin: number, end: number): FrameRun {
  return { frame, begin, end };
}
