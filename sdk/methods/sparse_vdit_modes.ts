/**
 * The five modes of Sparse-vDiT as lists of tiles, by positions alone.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import { gather } from "../device/ops/gather.ts";
import type { Tensor } from "../device/tensor.ts";
import { checkWhole } from "./_check_whole.ts";
import { blockTiles } from "./block_lists.ts";
import type { Draft } from "./planner.ts";
import { table } from "./scores.ts";
import { checkVideo, type VideoLayout, videoLength } from "./video_layout.ts";

/** What a head computes, by number: everything, nothing, its neighbours, the same place in other frames, or a few key blocks. */
export const SPARSE_VDIT_MODES = ["full", "skip", "diagonal", "multiDiagonal", "stripe"] as const;

/** Layout of the sequence, and how wide the modes are. */
export interface SparseVditGeometry extends VideoLayout {
  /** Tokens per block; the paper has 64 or 128. */
  readonly blockSize: number;
  /** Mode 2 sees blocks up to so many away. */
  readonly wDiagonal: number;
  /** Mode 3 sees blocks up to so many away, where frames lie side by side for each place; so many blocks should hold all frames of a place. */
  readonly wMulti: number;
  /** Key blocks that mode 4 sees. */
  readonly nStripe: number;
}

/**
 * Refuses a geometry that cannot be.
 *
 * @throws RangeError that names the size.
 */
export function checkGeometry(name: string, geometry: SparseVditGeometry): void {
  checkVideo(name, geometry);
  checkWhole(name, geometry, { blockSize: 1, wDiagonal: 0, wMulti: 0, nStripe: 0 });
}

/** Blocks of a sequence. */
export function blocksOf(geometry: SparseVditGeometry): number {
  return Math.ceil(videoLength(geometry) / geometry.blockSize);
}

/** Blocks at the beginning that hold text; one that holds video too counts. */
export function textBlocksOf({ text, blockSize }: SparseVditGeometry): number {
  return Math.ceil(text / blockSize);
}

/** Whether a mode computes the tile of query block a and key block b; for mode 3 blocks of its own order. */
export function keepsTile(
  geometry: SparseVditGeometry,
  mode: number,
  stripe: readonly number[],
  a: number,
  b: number,
): boolean {
  if (mode < 2) return mode === 0;
  const text = textBlocksOf(geometry);
  if (a < text || b < text) return true;
  if (mode === 4) return stripe.includes(b);
  return Math.abs(a - b) <= (mode === 2 ? geometry.wDiagonal : geometry.wMulti);
}

/** The share of all tiles that each mode leaves out. */
export function modeSparsity(geometry: SparseVditGeometry): number[] {
  const n = blocksOf(geometry);
  const text = textBlocksOf(geometry);
  const beside = n - text;
  /** Tiles of video and video in a band. */
  const band = (w: number): number => {
    let kept = 0;
    for (let a = 0; a < beside; a++) kept += Math.min(beside - 1, a + w) - Math.max(0, a - w) + 1;
    return kept;
  };
  const kept = [
    beside * beside,
    undefined,
    band(geometry.wDiagonal),
    band(geometry.wMulti),
    beside * Math.min(beside, geometry.nStripe),
  ];
  return kept.map((tiles) => tiles === undefined ? 1 : 1 - (n * n - beside * beside + tiles) / (n * n));
}

/** The token of every place in the order of mode 3: text, then place by place all frames. */
export function placeMajor(layout: VideoLayout): Int32Array<ArrayBuffer> {
  const { frames, tokensPerFrame, text } = layout;
  return Int32Array.from({ length: videoLength(layout) }, (_, i) => {
    const at = i - text;
    return at < 0 ? i : text + (at % frames) * tokensPerFrame + Math.floor(at / frames);
  });
}

/**
 * Lists for a layer: one plan, one launch for all heads, whatever their modes.
 *
 * @param modes Of every head.
 * @param stripes Of every head the key blocks of mode 4.
 */
export function draftModes(
  d: Device,
  geometry: SparseVditGeometry,
  modes: readonly number[],
  stripes: readonly (readonly number[])[],
): Draft | "dense" {
  if (modes.every((mode) => mode === 0)) return "dense";
  const { blockSize } = geometry;
  const length = videoLength(geometry);
  const grid = { lq: length, lk: length, blockQ: blockSize, tileK: blockSize, causal: false };
  // Heads with the same pattern share its lists; stripes are a head's own.
  const keys = modes.map((mode, h) => mode === 4 ? 4 + h : mode);
  const tiles = blockTiles(
    d,
    grid,
    keys,
    (key, j, first) => keepsTile(geometry, Math.min(key, 4), stripes[key - 4] ?? [], first / blockSize, j),
  );
  const order = ordersOf(d, geometry, modes);
  return { ...grid, parts: { tiles, qOrder: order, kOrder: order } };
}

function ordersOf(d: Device, geometry: SparseVditGeometry, modes: readonly number[]): Tensor | undefined {
  if (!modes.includes(3)) return undefined;
  const length = videoLength(geometry);
  const places = placeMajor(geometry);
  const both = table(d, [2, length], (i) => i < length ? i : places[i - length]!);
  return gather(d, both, table(d, [modes.length], (h) => modes[h] === 3 ? 1 : 0));
}
