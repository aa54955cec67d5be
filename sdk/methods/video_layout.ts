/**
 * How the tokens of a video lie in a sequence: text first, then frame by frame.
 *
 * @module
 */
import { checkWhole } from "./_check_whole.ts";

/** Sizes of a sequence of text and video. */
export interface VideoLayout {
  /** Frames, in latent space. */
  readonly frames: number;
  /** Tokens of a frame. */
  readonly tokensPerFrame: number;
  /** Tokens of text before the first frame. */
  readonly text: number;
}

/**
 * Refuses sizes that no video has.
 *
 * @throws RangeError if there is no frame, a frame is empty, or a size is not a whole number.
 */
export function checkVideo(name: string, layout: VideoLayout): void {
  checkWhole(name, layout, { frames: 1, tokensPerFrame: 1, text: 0 });
}

/** Tokens of the whole sequence. */
export function videoLength({ frames, tokensPerFrame, text }: VideoLayout): number {
  return text + frames * tokensPerFrame;
}

/**
 * Refuses queries and keys of another length.
 *
 * @throws RangeError that says what the layout holds.
 */
export function expectVideo(
  name: string,
  layout: VideoLayout,
  { lq, lk }: { readonly lq: number; readonly lk: number },
): void {
  const { frames, tokensPerFrame, text } = layout;
  const length = videoLength(layout);
  if (lq === length && lk === length) return;
  const why = text > Math.min(lq, lk)
    ? "the text alone is longer than the sequence"
    : "the grid does not match";
  throw new RangeError(
    `Cannot plan ${name}: ${why}, ${text} tokens of text and ${frames} frames of ${tokensPerFrame} are ${length} tokens, got ${lq} queries and ${lk} keys`,
  );
}
