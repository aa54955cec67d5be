/**
 * The lists of an Efficient-vDiT mask.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import type { Tensor } from "../device/tensor.ts";
import { type FrameRun, framesOfBlocks, isFull, seesFrame, tileKind } from "./efficient_vdit_frames.ts";
import type { Draft } from "./planner.ts";
import { listTable, table } from "./scores.ts";
import { type VideoLayout, videoLength } from "./video_layout.ts";

/** Largest block that is chosen. */
const LARGEST = 128;

/** Below this, blocks that end with the frame are slower than larger ones that are cut. */
const SMALLEST = 16;

/**
 * Tokens per block with which no block lies in two frames: the largest divisor of the frame, or 64 where it has none of a good size.
 *
 * Blocks that cross a border need a bit for every pair of their tokens: up to L^2 / 32 words.
 */
export function blockSizeFor({ tokensPerFrame }: VideoLayout): number {
  if (tokensPerFrame < SMALLEST) return tokensPerFrame;
  for (let size = Math.min(LARGEST, tokensPerFrame); size >= SMALLEST; size--) {
    if (tokensPerFrame % size === 0) return size;
  }
  return 64;
}

/** Lists for all heads of a layer. */
export function draftFrames(d: Device, layout: VideoLayout, k: number, blockSize: number): Draft | "dense" {
  const { frames, tokensPerFrame, text } = layout;
  if (isFull(frames, k)) return "dense";
  const length = videoLength(layout);
  const sees = seesFrame(frames, k);
  // With the text behind, frames begin where blocks do.
  const textLast = tokensPerFrame % blockSize === 0 && text % blockSize !== 0;
  const blocks = framesOfBlocks(layout, blockSize, textLast);
  const lists = blocks.map((rows) =>
    [...blocks.keys()].filter((n) => tileKind(sees, rows, blocks[n]!) !== "none")
  );
  const tiles = listTable(d, [1, blocks.length], lists.map((list) => list.map((n) => n * blockSize)));
  const order = textLast ? table(d, [1, length], (i) => (i + text) % length) : undefined;
  const cut = blocks.some((rows) => rows.length > 1);
  const bits = cut ? bitsOf(d, blocks, lists, tiles.shape[2]!, blockSize, sees) : undefined;
  return { blockQ: blockSize, tileK: blockSize, parts: { tiles, bits, qOrder: order, kOrder: order } };
}

/** Which slots of every listed tile every row sees. */
function bitsOf(
  d: Device,
  blocks: readonly (readonly FrameRun[])[],
  lists: readonly (readonly number[])[],
  room: number,
  blockSize: number,
  sees: (i: number, j: number) => boolean,
): Tensor {
  const words = Math.ceil(blockSize / 32);
  const bits = new Int32Array(blocks.length * room * blockSize * words);
  lists.forEach((list, n) =>
    list.forEach((tile, t) => {
      for (const rows of blocks[n]!) {
        // Rows of one frame see the same slots of a tile.
        const row = new Int32Array(words);
        for (const { frame, begin, end } of blocks[tile]!) {
          if (rows.frame >= 0 && frame >= 0 && !sees(rows.frame, frame)) continue;
          for (let slot = begin % blockSize; slot < begin % blockSize + end - begin; slot++) {
            row[slot >> 5]! |= 1 << (slot & 31);
          }
        }
        for (let r = rows.begin; r < rows.end; r++) {
          bits.set(row, ((n * room + t) * blockSize + r % blockSize) * words);
        }
      }
    })
  );
  return d.tensor(bits, [1, blocks.length, room, blockSize, words]);
}
